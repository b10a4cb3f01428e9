// What else a policy engine does while calls go on: filter a list of tools, say why, take one policy more, load a large set, swap it in.
import { setTimeout as pause } from 'node:timers/promises';
import { sha256Hex } from '../../src/crypto/hash.ts';
import type { AccessRequest } from '../../src/domain/access.ts';
import type { World } from '../../src/domain/registry.ts';
import { parseSpiffeId } from '../../src/domain/spiffe-id.ts';
import { admit } from '../../src/policy/admit.ts';
import { CompiledSet } from '../../src/policy/cedar/compiled-set.ts';
import { Official } from '../../src/policy/cedar/official.ts';
import type { PolicySet } from '../../src/policy/policy-set.ts';
import { desksFor, payment, policiesOf, worldOf } from '../desks.ts';
import { measure } from '../loop.ts';
import type { BenchOptions, Report, Row, Sample } from '../row.ts';
import { percentile, rounded } from '../row.ts';
import { cedarOf } from './cedar.ts';
import { workload } from './workload.ts';

const LISTED = 100;
const EVERY_MS = 1;

export async function chores({ quick }: BenchOptions): Promise<Report> {
  const count = quick ? 100 : 1000;
  const desks = desksFor(count);
  const world = withLongList(worldOf(desks));
  const agent = desks[0]?.agent ?? '';
  const permit = `@id("reads-everything-listed") permit (principal == Agent::"${agent}", action, resource in Server::"long-list");`;
  const set = await admit([{ path: 'desks.cedar', text: `${policiesOf(count - 1, desks)}\n${permit}` }], world, 1, sha256Hex);
  const asked = requestOf(agent, `${desks[0]?.server}/pay_invoice`, 2_000_000);
  check(set, world, agent, asked);
  const ms = quick ? 60 : 1000;
  const loop = (operate: () => void): Promise<Sample> => measure({ ms, max: 100_000, operate });
  const listing = await loop(() => void set.visibleTools(agent, 'long-list', world));
  const explaining = await loop(() => void set.explain(asked, world));
  const adding = await addOne(count, ms);
  const { loading, stall, swap } = await loadMany(quick ? 500 : 10_000);
  return {
    rows: [
      row(`${LISTED} tools, ${count} policies`, 'list', listing),
      row(`${count} policies`, 'explain', explaining),
      row(`to ${count} policies`, 'add one', adding),
      row(`${quick ? 500 : 10_000} policies`, 'load', loading),
      row(`${quick ? 500 : 10_000} policies`, 'longest stall', stall),
      row(`${quick ? 500 : 10_000} policies`, 'swap', swap),
    ],
    says: [
      `${LISTED} tools are filtered by ${count} policies in ${millis(listing.p50_us)} (p50)`,
      `a denial by ${count} policies is explained in ${millis(explaining.p50_us)} (p50)`,
      `one policy more is parsed and filed in ${millis(adding.p50_us)} (p50)`,
      `${quick ? 500 : '10,000'} policies are admitted in ${millis(loading.p50_us)}; decisions meanwhile were late by ${millis(stall.p50_us)} (p50), ${millis(stall.p99_us)} at most`,
      `the switch to them and the first decision took ${millis(swap.p50_us)}`,
    ],
  };
}

const millis = (us: number): string => `${rounded(us / 1000)} ms`;

const row = (name: string, subject: string, sample: Sample): Row => ({ bench: 'pdp', case: name, subject, ...sample, ratios: {} });

function withLongList(world: World): World {
  const [first] = world.resources;
  if (first === undefined) throw new Error('the world has no resource');
  const [tool] = world.tools.get(first.name) ?? [];
  if (tool === undefined) throw new Error('the world has no tool');
  const tools = Array.from({ length: LISTED }, (_, at) => ({ ...tool, name: `tool-${at}` }));
  return {
    ...world,
    resources: [...world.resources, { ...first, name: 'long-list', tags: {} }],
    tools: new Map([...world.tools, ['long-list', tools]]),
  };
}

const requestOf = (agent: string, tool: string, cents: number): AccessRequest => ({
  subject: { type: 'agent', id: agent, spiffeId: parseSpiffeId(`spiffe://bench.example/agent/${agent}/run/r1`), run: 'r1' },
  action: { name: 'tools/call' },
  resource: { type: 'tool', id: tool },
  context: { input: payment(cents, 1) },
});

/** What is timed must do its work. */
function check(set: PolicySet, world: World, agent: string, asked: AccessRequest): void {
  const visible = set.visibleTools(agent, 'long-list', world).length;
  if (visible !== LISTED) throw new Error(`${visible} of ${LISTED} tools are visible`);
  const { nearest } = set.explain(asked, world);
  if (nearest.length === 0) throw new Error('the denial is not explained');
}

/** Parsed by the official engine, compiled, filed; then taken out again, which is not timed apart. */
async function addOne(count: number, ms: number): Promise<Sample> {
  const official = new Official();
  const set = new CompiledSet();
  const add = (id: string, text: string): void => {
    const parsed = official.parsePolicy(text);
    if (!('effect' in parsed)) throw new Error('the workload does not parse');
    set.add(id, parsed);
  };
  const { rules } = workload(count, 100);
  for (const rule of rules) add(rule.id, cedarOf(rule));
  const texts = rules.map((rule) => cedarOf(rule));
  return measure({
    ms,
    max: 20_000,
    operate: (index) => {
      add('one more', texts[index % texts.length] ?? '');
      set.remove('one more');
    },
  });
}

/** Admission of a large set, while this thread decides once a millisecond: a decision that is late was kept waiting. */
async function loadMany(count: number): Promise<{ readonly loading: Sample; readonly stall: Sample; readonly swap: Sample }> {
  const desks = desksFor(count);
  const world = worldOf(desks);
  const sources = [{ path: 'desks.cedar', text: policiesOf(count, desks) }];
  const agent = desks[0]?.agent ?? '';
  const asked = requestOf(agent, `${desks[0]?.server}/pay_invoice`, 4200);
  const small = await admit([{ path: 'few.cedar', text: policiesOf(15, desks.slice(0, 3)) }], world, 1, sha256Hex);
  let live: PolicySet = small;
  const done = new AbortController();
  const waits: number[] = [];
  const decisions = (async () => {
    while (!done.signal.aborted) {
      const due = performance.now() + EVERY_MS;
      await pause(EVERY_MS);
      live.decide(asked, world);
      waits.push(Math.max(0, performance.now() - due) * 1000);
    }
  })();
  const started = performance.now();
  const loaded = await admit(sources, world, 2, sha256Hex);
  const took = (performance.now() - started) * 1000;
  const switched = performance.now();
  live = loaded; // between two decisions: a gateway goes over to a snapshot in the same way
  const { verdict } = live.decide(asked, world);
  const swap = (performance.now() - switched) * 1000;
  if (verdict !== 'allow') throw new Error('the loaded set does not decide');
  done.abort();
  await decisions;
  waits.sort((a, b) => a - b);
  const longest = waits.at(-1) ?? 0;
  const rss_mb = process.memoryUsage.rss() / 1_048_576;
  return {
    swap: { p50_us: swap, p99_us: swap, per_s: 1e6 / swap, cpu_us: null, rss_mb },
    loading: { p50_us: took, p99_us: took, per_s: 1e6 / took, cpu_us: null, rss_mb },
    stall: { p50_us: percentile(waits, 0.5), p99_us: longest, per_s: waits.length / (took / 1e6), cpu_us: null, rss_mb },
  };
}
