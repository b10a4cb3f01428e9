// A2A: a client of the official JavaScript SDK with an agent of the same SDK, directly and through a gateway whose policy permits everything, in
// both bindings. Cordon is transparent when the client sees the same, scenario by scenario.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Client, ClientFactory, DefaultAgentCardResolver, JsonRpcTransportFactory, RestTransportFactory } from '@a2a-js/sdk/client';
import { Agent, fetch, type RequestInit } from 'undici';
import { type Bed, openBed, type Svid } from '../test/support/bed.ts';
import { SCENARIOS } from './a2a/scenarios.ts';
import { difference } from './a2a/seen.ts';
import { type Score, sumOf, type SuiteOptions } from './score.ts';

const BINDINGS = ['JSONRPC', 'HTTP+JSON'] as const;
type Binding = (typeof BINDINGS)[number];
const AGENT = 'conformance/a2a/agent.ts';
const PERMITS = `@id("everything") permit (principal == Agent::"caller", action, resource == Agent::"callee");`;
/** A scenario that hangs is one that fails. */
const HANG_MS = 20_000;

export async function run({ onProgress }: SuiteOptions): Promise<Score> {
  await using stack = new AsyncDisposableStack();
  const { child, origin } = await startPlain();
  stack.defer(() => void child.kill());
  const clients = stack.adopt(new Clients(), (it) => it.close());
  const scores: Score[] = [];
  // what Cordon speaks with the agent, and what the client speaks with Cordon
  for (const spoken of BINDINGS) {
    const bed = stack.adopt(await bedFor(spoken), (it) => it.close());
    const svid = await bed.svid('caller');
    for (const binding of BINDINGS) {
      const direct = await clients.open(origin, binding);
      const through = await clients.open(`https://127.0.0.1:${bed.ports.gateway}/a2a/callee/`, binding, svid);
      const score = await compared(direct, through, `${binding}, the agent ${spoken}`);
      onProgress(`${binding} through Cordon, the agent speaks ${spoken}: ${score.passed} of ${score.passed + score.failed} the same`);
      scores.push(score);
    }
  }
  return sumOf(scores);
}

async function compared(direct: Client, through: Client, name: string): Promise<Score> {
  const notes: string[] = [];
  for (const [scenario, act] of Object.entries(SCENARIOS)) {
    const [one, other] = [await within(act(direct)), await within(act(through))];
    const differs = difference(one, other);
    if (differs !== undefined) notes.push(`${name}: ${scenario}: ${differs}`);
  }
  return { passed: Object.keys(SCENARIOS).length - notes.length, failed: notes.length, notes };
}

/** What came of it, or why nothing did. */
async function within(work: Promise<unknown>): Promise<unknown> {
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

class Clients {
  readonly #agents: Agent[] = [];

  open(url: string, binding: Binding, svid?: Svid): Promise<Client> {
    const dispatcher = new Agent(svid === undefined ? {} : { connect: { ...svid, checkServerIdentity: () => undefined } });
    this.#agents.push(dispatcher);
    const fetchImpl = ((input: string, init: RequestInit) => fetch(input, { ...init, dispatcher })) as unknown as typeof globalThis.fetch;
    const transport = { JSONRPC: new JsonRpcTransportFactory({ fetchImpl }), 'HTTP+JSON': new RestTransportFactory({ fetchImpl }) }[
      binding
    ];
    const factory = new ClientFactory({ transports: [transport], cardResolver: new DefaultAgentCardResolver({ fetchImpl }) });
    return factory.createFromUrl(url);
  }

  async close(): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.destroy()));
  }
}

async function startPlain(): Promise<{ readonly child: ChildProcess; readonly origin: string }> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('a2a/agent.ts', import.meta.url))], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [origin] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return { child, origin };
}

async function bedFor(spoken: Binding): Promise<Bed> {
  const bed = await openBed({
    tools: false,
    policies: PERMITS,
    configure: (yaml) => {
      const changed = yaml.replace('purpose: is called,', 'purpose: is called, parts: [text, data, file],');
      return spoken === 'JSONRPC'
        ? changed
        : changed.replace('purpose: is called,', 'purpose: is called, binding: HTTP+JSON,').replace('/a2a" }', '/rest" }');
    },
  });
  await bed.spawnWorkload('agent', 'callee', AGENT, [String(bed.ports.callee), 'mesh']);
  return bed;
}
