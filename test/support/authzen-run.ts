// Runs the published cases against a PDP, whoever it is, and counts.
import { isJsonObject, type JsonObject } from '../../src/domain/json.ts';
import { pathOf, WELL_KNOWN } from '../../src/pdp/authzen/metadata.ts';
import { certify } from './authzen-certification.ts';
import { interopProblems, type Reply } from './authzen-compare.ts';
import { type CertificationCase, type InteropCase, textIn } from './authzen-vectors.ts';

/** How a PDP is reached: `body` undefined is a GET. */
export type Ask = (path: string, body: string | undefined, headers: Readonly<Record<string, string>>) => Promise<Reply>;

export interface Score {
  readonly passed: number;
  readonly failed: number;
  /** `case: what was wrong` */
  readonly failures: readonly string[];
}

export const scoreOf = (results: readonly (readonly [name: string, problems: readonly string[]])[]): Score => {
  const failures = results.filter(([, problems]) => problems.length > 0).map(([name, problems]) => `${name}: ${problems.join(', ')}`);
  return { passed: results.length - failures.length, failed: failures.length, failures };
};

/** Each case is asked of the store that it is for. */
export async function runInterop(cases: readonly InteropCase[], ask: Ask): Promise<Score> {
  const results: [string, readonly string[]][] = [];
  for (const one of cases) {
    const reply = await ask(`/stores/${one.store}${pathOf(one.api)}`, JSON.stringify(one.request), {});
    results.push([one.name, interopProblems(one, reply)]);
  }
  return scoreOf(results);
}

/** The PDP under certification is the store `certification` at `origin`. */
export async function runCertification(cases: readonly CertificationCase[], ask: Ask, origin: string): Promise<Score> {
  const earlier = new Map<string, readonly JsonObject[]>();
  const results: [string, readonly string[]][] = [];
  for (const one of cases) {
    const path = one.api === 'metadata' ? `${WELL_KNOWN}/stores/certification` : `/stores/certification${pathOf(one.api)}`;
    const body = one.api === 'metadata' ? undefined : withToken(one, earlier);
    const replies: Reply[] = [];
    for (let time = 0; time < one.repeat; time++) replies.push(await ask(path, body, one.headers));
    const { problems, bodies } = certify(one, replies, `${origin}/stores/certification`, earlier);
    earlier.set(one.name, bodies);
    results.push([one.name, problems]);
  }
  return scoreOf(results);
}

/** The token of a next page is that of the case before. A PDP that has no next page is asked for none. */
function withToken({ name, body, request }: CertificationCase, earlier: ReadonlyMap<string, readonly JsonObject[]>): string | undefined {
  if (name !== 'c-4-5-2') return body;
  const page = earlier.get('c-4-5-1')?.[0]?.['page'];
  const token = isJsonObject(page) ? textIn(page['next_token']) : '';
  return JSON.stringify({ ...request, page: token === '' ? { limit: 1 } : { token } });
}
