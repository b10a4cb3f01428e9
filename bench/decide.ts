// `decide`: one decision of a policy set, as the gateway asks for it: registry, typed arguments, the compiled policies.
import { sha256Hex } from '../src/crypto/hash.ts';
import type { AccessRequest } from '../src/domain/access.ts';
import { parseSpiffeId } from '../src/domain/spiffe-id.ts';
import { admit } from '../src/policy/admit.ts';
import { desksFor, payment, policiesOf, worldOf, type Desk } from './desks.ts';
import { measure } from './loop.ts';
import type { Bench, BenchOptions, Report } from './row.ts';
import { interleave, type Subject } from './rounds.ts';

const COUNTS = [15, 100] as const;
const nameOf = (count: number): string => `${count} policies`;

const CASES = [
  { name: 'allow', cents: 4200, code: undefined },
  // the policies are asked twice: a default deny learns whether other arguments would have been allowed
  { name: 'deny', cents: 2_000_000, code: 'CORDON-3005' },
] as const;

export const decide: Bench = async (options) => {
  const reports: Report[] = [];
  for (const each of CASES) reports.push(await decideCase(each, options));
  return { rows: reports.flatMap(({ rows }) => rows), says: reports.flatMap(({ says }) => says) };
};

async function decideCase(each: (typeof CASES)[number], { quick }: BenchOptions): Promise<Report> {
  const [few, many] = COUNTS;
  return interleave({
    bench: 'decide',
    case: each.name,
    rounds: quick ? 2 : 5,
    subjects: await Promise.all(COUNTS.map((count) => subjectOf(each, count, quick))),
    says: [
      {
        subject: nameOf(many),
        figure: 'cpu_us',
        text: (ratio) => `${each.name}: a decision with ${many} policies costs ${ratio} one with ${few}`,
      },
    ],
  });
}

async function subjectOf({ cents, code }: (typeof CASES)[number], count: number, quick: boolean): Promise<Subject> {
  const desks = desksFor(count);
  const world = worldOf(desks);
  const set = await admit([{ path: 'desks.cedar', text: policiesOf(count, desks) }], world, 1, sha256Hex);
  // of every desk whose rules are all in the set
  const requests = desks.slice(0, Math.floor((count - 1) / 5)).map((desk, serial) => requestOf(desk, cents, serial));
  const operate = (index: number): void => {
    const request = requests[index % requests.length];
    const decision = request && set.decide(request, world);
    if (decision === undefined || decision.code !== code)
      throw new Error(`decided ${decision?.verdict} ${decision?.code}, expected ${code ?? 'allow'}`);
  };
  for (let index = 0; index < (quick ? 50 : 1000); index++) operate(index);
  return {
    name: nameOf(count),
    ...(count === COUNTS[0] ? {} : { over: nameOf(COUNTS[0]) }),
    run: () => measure({ ms: quick ? 80 : 250, max: 200_000, operate }),
  };
}

const requestOf = ({ agent, server }: Desk, cents: number, serial: number): AccessRequest => ({
  subject: { type: 'agent', id: agent, spiffeId: parseSpiffeId(`spiffe://bench.example/agent/${agent}/run/r1`), run: 'r1' },
  action: { name: 'tools/call' },
  resource: { type: 'tool', id: `${server}/pay_invoice` },
  context: { input: payment(cents, serial) },
});
