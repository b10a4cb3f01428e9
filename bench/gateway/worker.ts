// A process of the bench's own, asked line by line: one JSON object in, one out. It ends when its standard input does.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface Worker<Q, A> {
  /** @throws Error when it says `{ error }`, or ends */
  ask(question: Q): Promise<A>;
  readonly pid: number;
  close(): Promise<void>;
}

export function startWorker<Q, A>(file: URL): Worker<Q, A> {
  const child = spawn(process.execPath, [fileURLToPath(file)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const gone = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    pid: child.pid ?? 0,
    async ask(question): Promise<A> {
      child.stdin.write(`${JSON.stringify(question)}\n`);
      const line = await lines.next();
      if (line.done === true) throw new Error(`a process of the bench ended: ${file.pathname}`);
      const answer = JSON.parse(line.value) as A & { readonly error?: string };
      if (answer.error !== undefined) throw new Error(answer.error);
      return answer;
    },
    async close(): Promise<void> {
      child.stdin.end();
      await gone;
    },
  };
}

/** The other side: answers until its standard input ends. */
export async function answerQuestions(answer: (question: unknown) => Promise<object>): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const said = await answer(JSON.parse(line)).catch((error: unknown) => ({
      error: error instanceof Error ? error.message : String(error),
    }));
    process.stdout.write(`${JSON.stringify(said)}\n`);
  }
  process.exit(0);
}
