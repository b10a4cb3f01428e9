// The official SDKs as peers of the suite: each an agent that is asked, on plain loopback or behind Cordon, and a client that asks. The JavaScript
// client runs here, whatever is Python in processes of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ClientFactory, DefaultAgentCardResolver, JsonRpcTransportFactory, RestTransportFactory } from '@a2a-js/sdk/client';
import { Agent, fetch, type RequestInit } from 'undici';
import type { Bed, Svid } from '../../test/support/bed.ts';
import { SCENARIOS } from './scenarios.ts';
import type { Outcome } from './seen.ts';

export const BINDINGS = ['JSONRPC', 'HTTP+JSON'] as const;
export type Binding = (typeof BINDINGS)[number];

export type Outcomes = ReadonlyMap<string, Outcome>;

export interface Peer {
  /** On plain loopback. @returns its origin */
  serve(stack: AsyncDisposableStack): Promise<string>;
  /** As `callee` of the bed. */
  serveBehind(bed: Bed, stack: AsyncDisposableStack): Promise<void>;
  /** Every scenario, by a client that finds the agent at `url`; as the run whose SVID it is. */
  ask(asked: Asked): Promise<Outcomes>;
}

export interface Asked {
  readonly url: string;
  readonly binding: Binding;
  /** Of `hooks.ts`. */
  readonly hook: string;
  readonly svid?: Svid;
}

/** A scenario that hangs is one that fails. */
const HANG_MS = 20_000;
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const JS_AGENT = fileURLToPath(new URL('agent.ts', import.meta.url));
const PYTHON = here('../../.ci/peers/a2a-python/bin/python');
const PY_AGENT = here('agent.py');
const PY_CLIENT = here('client.py');

/** Why the Python SDK cannot take part here. */
export const missingPython = (): string | undefined =>
  existsSync(PYTHON)
    ? undefined
    : 'the Python SDK is not here: python3 -m venv .ci/peers/a2a-python && .ci/peers/a2a-python/bin/pip install -r conformance/a2a/requirements.txt';

const javascript: Peer = {
  serve: (stack) => started(process.execPath, [JS_AGENT], stack),
  async serveBehind(bed) {
    await bed.spawnWorkload('agent', 'callee', 'conformance/a2a/agent.ts', [String(bed.ports.callee), 'mesh']);
  },
  async ask({ url, binding, hook, svid }) {
    const dispatcher = new Agent(svid === undefined ? {} : { connect: { ...svid, checkServerIdentity: () => undefined } });
    try {
      const client = await clientFor(url, binding, dispatcher);
      const outcomes = new Map<string, Outcome>();
      for (const [scenario, act] of Object.entries(SCENARIOS)) outcomes.set(scenario, await within(act(client, hook)));
      return outcomes;
    } finally {
      await dispatcher.destroy();
    }
  },
};

const python: Peer = {
  serve: (stack) => started(PYTHON, [PY_AGENT, '0'], stack),
  async serveBehind(bed, stack) {
    const directory = await filed(await bed.svid('callee'), stack);
    await started(PYTHON, [PY_AGENT, String(bed.ports.callee), directory], stack);
  },
  async ask({ url, binding, hook, svid }) {
    await using stack = new AsyncDisposableStack();
    const as = svid === undefined ? [] : [await filed(svid, stack)];
    return new Map(
      (await linesOf(PYTHON, [PY_CLIENT, url, binding, hook, ...as])).map((line) => {
        const { scenario, ...outcome } = JSON.parse(line) as { readonly scenario: string } & Outcome;
        return [scenario, outcome];
      }),
    );
  },
};

export const PEERS: Readonly<Record<'JavaScript' | 'Python', Peer>> = { JavaScript: javascript, Python: python };

function clientFor(url: string, binding: Binding, dispatcher: Agent): ReturnType<ClientFactory['createFromUrl']> {
  const fetchImpl = ((input: string, init: RequestInit) => fetch(input, { ...init, dispatcher })) as unknown as typeof globalThis.fetch;
  const transport = { JSONRPC: new JsonRpcTransportFactory({ fetchImpl }), 'HTTP+JSON': new RestTransportFactory({ fetchImpl }) }[binding];
  return new ClientFactory({ transports: [transport], cardResolver: new DefaultAgentCardResolver({ fetchImpl }) }).createFromUrl(url);
}

/** What came of it, or why nothing did. */
async function within(work: Promise<unknown>): Promise<Outcome> {
  let timer: NodeJS.Timeout | undefined;
  const hangs = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('it hangs')), HANG_MS);
  });
  try {
    return { saw: await Promise.race([work, hangs]) };
  } catch (error) {
    return { failed: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
  } finally {
    clearTimeout(timer);
  }
}

/** Starts a program that ends with its standard input. @returns its first line */
async function started(file: string, args: readonly string[], stack: AsyncDisposableStack): Promise<string> {
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  stack.defer(() => ended(child));
  const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  if (value === undefined) throw new Error(`${args[0] ?? file} ended before it was ready`);
  return value;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.stdin?.end();
  await gone;
}

/** What `card.py` says to this. */
export async function askCards(question: object): Promise<unknown> {
  const [line = ''] = await linesOf(PYTHON, [here('card.py')], JSON.stringify(question));
  return JSON.parse(line);
}

/** The lines of a program that ends by itself. */
async function linesOf(file: string, args: readonly string[], input = ''): Promise<readonly string[]> {
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(input);
  const gone = once(child, 'exit');
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) lines.push(line);
  await gone;
  return lines;
}

/** An SVID as Python's `ssl` takes it: files that only this user reads, gone with the stack. */
async function filed({ cert, key, ca }: Svid, stack: AsyncDisposableStack): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'cordon-a2a-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  for (const [name, pem] of Object.entries({ cert, key, ca })) await writeFile(join(directory, `${name}.pem`), pem, { mode: 0o600 });
  return directory;
}
