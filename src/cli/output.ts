// Where text goes: the result to stdout, everything else to stderr (UX reference §6.1).
import { writeJson, type Json } from '../domain/json.ts';
import { createPaint, type Paint } from './paint.ts';
import { escapeJson } from './untrusted.ts';

export interface Output {
  /** Is a person at stdout? */
  readonly interactive: boolean;
  readonly paint: Paint;
  /** The result of a command: `json` whole under `--json`, else the lines. */
  print(json: Json, lines: (paint: Paint) => readonly string[]): void;
  /** A line for a person beside the result: on stderr, not under `--json` or `-q`. */
  hint(line: string): void;
}

interface Settings {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly noColor: boolean;
}

export function createOutput({ json, quiet, noColor }: Settings): Output {
  const paint = createPaint(process.stdout.isTTY, noColor);
  const aside = createPaint(process.stderr.isTTY, noColor);
  return {
    interactive: process.stdout.isTTY && !json,
    paint,
    print(value, lines) {
      const text = json ? escapeJson(writeJson(value)) : lines(paint).join('\n');
      process.stdout.write(`${text}\n`);
    },
    hint(line) {
      if (!json && !quiet) process.stderr.write(`${aside('dim', line)}\n`);
    },
  };
}

/** A reader that goes away (`cordon agent list | head -1`) is no error. */
export function endWithReader(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      process.exit();
    });
  }
}
