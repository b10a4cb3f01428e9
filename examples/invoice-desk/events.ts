// What a process of the desk says on stdout: NDJSON, one object a line and nothing else. And what it hears on stdin: commands, the same way.
import { createInterface } from 'node:readline';
import { maskIban } from './documents/iban.ts';

export type Attack = 'exfiltrate' | 'redirect-payment' | 'cross-segment' | 'impersonate' | 'bypass';

export interface DeskEvent {
  /** The process. */
  readonly at: string;
  readonly event: 'ready' | 'tools' | 'thought' | 'call' | 'stream' | 'invoice' | 'done' | 'command' | 'error' | 'exit' | 'assessment';
  /** `server/tool`, or `a2a/agent`. */
  readonly tool?: string;
  readonly args?: Readonly<Record<string, unknown>>;
  /** `task`, `probe` or `instruction in <file>`. */
  readonly because?: string;
  readonly attack?: Attack | undefined;
  /** Of an attack: does this call only prepare (reading what is to be sent), or is it the harm itself? */
  readonly step?: 'prepare' | 'effect' | undefined;
  readonly invoice?: string | undefined;
  readonly file?: string | undefined;
  readonly ok?: boolean;
  readonly code?: string | undefined;
  readonly decision?: string | undefined;
  readonly text?: string;
  readonly state?: 'open' | 'cut' | 'refused' | 'closed';
  /** Epoch milliseconds with fraction. */
  readonly t?: number;
  readonly url?: string;
  readonly [more: string]: unknown;
}

export function emit(event: DeskEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

export const log = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

export const now = (): number => performance.timeOrigin + performance.now();

/** One line of at most 200 characters, without what could move a terminal's cursor. attacker-controlled */
export function oneLine(text: string, max = 200): string {
  const line = text.replaceAll(/[\p{C}\s]+/gu, ' ').trim();
  return line.length <= max ? line : `${line.slice(0, max - 1)}…`;
}

/** Arguments as shown to people: accounts and addresses shortened, long texts only counted. */
export function masked(args: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(args).map(([name, value]) => [name, maskedValue(name, value)]));
}

function maskedValue(name: string, value: unknown): unknown {
  if (typeof value === 'object' && value !== null) return masked(Object.fromEntries(Object.entries(value)));
  if (typeof value !== 'string') return value;
  if (name === 'iban') return maskIban(value);
  if (name === 'to') return value.replace(/^(.)[^@]*@/, '$1***@');
  return value.length <= 80 ? oneLine(value) : `${value.length} characters`;
}

export type Commands = Readonly<Record<string, () => Promise<void>>>;

/** Reads commands until `stop` or the end of stdin, one after another; then closes and exits 0. An unknown one is reported, not fatal. */
export async function obeyStdin(at: string, commands: Commands, close: () => Promise<void>): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const what = commandIn(line);
    if (what === 'stop') break;
    const command = Object.hasOwn(commands, what) ? commands[what] : undefined;
    if (command === undefined) emit({ at, event: 'error', ok: false, text: `unknown command: ${oneLine(line, 60)}` });
    else await command().catch((error: unknown) => emit({ at, event: 'error', ok: false, text: oneLine(String(error)) }));
  }
  await close();
  process.exit(0);
}

function commandIn(line: string): string {
  try {
    const command: unknown = JSON.parse(line);
    const what = typeof command === 'object' && command !== null && 'do' in command ? command.do : undefined;
    return typeof what === 'string' ? what : '';
  } catch {
    return '';
  }
}
