// A2A: the official JavaScript and Python SDKs, each as a client of each as an agent, directly and through a gateway whose policy permits
// everything, in both bindings. Cordon is transparent when a client sees the same, scenario by scenario. And signed cards, between Cordon and Python.
import { type Bed, openBed, send } from '../test/support/bed.ts';
import { cards } from './a2a/cards.ts';
import { openHooks } from './a2a/hooks.ts';
import { BINDINGS, type Binding, missingPython, type Outcomes, type Peer, PEERS } from './a2a/peers.ts';
import { SCENARIOS } from './a2a/scenarios.ts';
import { fault } from './a2a/seen.ts';
import { type Score, sumOf, type SuiteOptions } from './score.ts';

const PERMITS = `@id("everything") permit (principal == Agent::"caller", action, resource == Agent::"callee");
@id("webhooks") permit (principal == Agent::"callee", action == Action::"egress/push", resource == Egress::"hooks");`;

export async function run({ onProgress }: SuiteOptions): Promise<Score> {
  const missing = missingPython();
  const names = (Object.keys(PEERS) as (keyof typeof PEERS)[]).filter((name) => name !== 'Python' || missing === undefined);
  const scores: Score[] = missing === undefined ? [] : [notTried(missing)];
  for (const callee of names)
    for (const spoken of BINDINGS) {
      await using stack = new AsyncDisposableStack();
      const origin = await PEERS[callee].serve(stack);
      const hook = await openHooks(stack);
      const bed = stack.adopt(await bedFor(spoken, new URL(hook).host), (it) => it.close());
      await PEERS[callee].serveBehind(bed, stack);
      scores.push(await gatewayAlone(callee, bed));
      if (missing === undefined && spoken === 'JSONRPC') {
        const score = await cards(bed);
        onProgress(`the card of the ${callee} agent with Python: ${score.passed} of ${score.passed + score.failed}`);
        scores.push(score);
      }
      for (const caller of names)
        for (const binding of BINDINGS) {
          const name = `${caller} to ${callee}: ${binding} through Cordon, the agent speaks ${spoken}`;
          const score = compared(name, ...(await both(PEERS[caller], binding, { origin, bed, hook })));
          onProgress(`${name}: ${score.passed} of ${score.passed + score.failed} the same`);
          scores.push(score);
        }
    }
  return sumOf(scores);
}

async function both(
  caller: Peer,
  binding: Binding,
  { origin, bed, hook }: { readonly origin: string; readonly bed: Bed; readonly hook: string },
): Promise<[Outcomes, Outcomes]> {
  const direct = await caller.ask({ url: origin, binding, hook });
  const url = `https://127.0.0.1:${bed.ports.gateway}/a2a/callee/`;
  return [direct, await caller.ask({ url, binding, hook, svid: await bed.svid('caller') })];
}

/** Where CI says that everything must be there, what could not be tried has failed. */
const notTried = (why: string): Score => ({ passed: 0, failed: process.env['CI'] === 'true' ? 1 : 0, notes: [`SKIPPED: ${why}`] });

function compared(name: string, direct: Outcomes, through: Outcomes): Score {
  const notes: string[] = [];
  for (const scenario of Object.keys(SCENARIOS)) {
    const why = fault(direct.get(scenario), through.get(scenario));
    if (why !== undefined) notes.push(`${name}: ${scenario}: ${why}`);
  }
  return { passed: Object.keys(SCENARIOS).length - notes.length, failed: notes.length, notes };
}

/** THE ATTACK: an agent that calls the other one past the gateway. */
async function gatewayAlone(callee: string, bed: Bed): Promise<Score> {
  const path = '/.well-known/agent-card.json';
  const heard = await send({ port: bed.ports.callee, path, method: 'GET', svid: await bed.svid('caller') }).catch(() => undefined);
  return heard?.status !== 200
    ? { passed: 1, failed: 0, notes: [] }
    : { passed: 0, failed: 1, notes: [`the ${callee} agent answers another one`] };
}

/** A gateway that speaks this binding with its agent. `hooks`: where webhooks may be. */
function bedFor(spoken: Binding, hooks: string): Promise<Bed> {
  return openBed({
    tools: false,
    policies: PERMITS,
    configure: (yaml) => {
      const changed = yaml
        .replace('purpose: is called,', 'purpose: is called, push: direct, parts: [text, data, file],')
        .replace('\npolicies:', `\n  hooks: { segment: tools, egress: { hosts: ["${hooks}"], addresses: [127.0.0.0/8] } }\n\npolicies:`);
      return spoken === 'JSONRPC'
        ? changed
        : changed.replace('purpose: is called,', 'purpose: is called, binding: HTTP+JSON,').replace('/a2a" }', '/rest" }');
    },
  });
}
