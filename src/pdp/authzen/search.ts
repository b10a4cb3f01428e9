// Search, page by page. Standard: AuthZEN 1.0 §8. A result is a candidate whose evaluation permits. A page goes on behind the last
// candidate that was looked at; its token is sealed under everything else that was asked, so it opens for the same search alone.
import { sha256Hex } from '../../crypto/hash.ts';
import type { Sealer } from '../../crypto/seal.ts';
import { isJsonArray, isJsonObject, type Json, type JsonObject, writeJson } from '../../domain/json.ts';
import type { AuthzenPdp, Evaluation, EvaluationRequest } from './port.ts';
import { actionIn, contextIn, entityIn, misfit, pageIn, typeIn } from './request.ts';

/** Candidates that one page looks at: then it ends, with as many results as it has. */
const MAX_EXAMINED = 2_000;

export type SearchKind = 'subject' | 'resource' | 'action';

/** What a search is for, told apart by what stands in the place of the candidate. */
interface Search {
  /** Everything but the page. */
  readonly question: JsonObject;
  readonly candidates: (pdp: AuthzenPdp) => readonly string[];
  readonly request: (candidate: string) => EvaluationRequest;
  readonly result: (candidate: string) => JsonObject;
}

const SEARCHES: Readonly<Record<SearchKind, (body: JsonObject) => Search>> = {
  subject(body) {
    const subject = typeIn(body, 'subject');
    const asked = { action: actionIn(body), resource: entityIn(body, 'resource'), ...contextIn(body) };
    return {
      question: { subject: { ...subject }, ...jsonOf(asked) },
      candidates: (pdp) => pdp.subjects(subject.type, asked),
      request: (id) => ({ ...asked, subject: { ...subject, id } }),
      result: (id) => ({ type: subject.type, id }),
    };
  },
  resource(body) {
    const resource = typeIn(body, 'resource');
    const asked = { subject: entityIn(body, 'subject'), action: actionIn(body), ...contextIn(body) };
    return {
      question: { resource: { ...resource }, ...jsonOf(asked) },
      candidates: (pdp) => pdp.resources(resource.type, asked),
      request: (id) => ({ ...asked, resource: { ...resource, id } }),
      result: (id) => ({ type: resource.type, id }),
    };
  },
  action(body) {
    const asked = { subject: entityIn(body, 'subject'), resource: entityIn(body, 'resource'), ...contextIn(body) };
    return {
      question: jsonOf(asked),
      candidates: (pdp) => pdp.actions(asked),
      request: (name) => ({ ...asked, action: { name } }),
      result: (name) => ({ name }),
    };
  },
};

const jsonOf = (asked: Partial<EvaluationRequest>): JsonObject =>
  Object.fromEntries(Object.entries(asked).map(([member, value]: [string, object]) => [member, { ...value }]));

/**
 * `sealer` makes page tokens; `scope` names what is asked and by whom, so that a token is of no use anywhere else.
 * @throws Refusal CORDON-9011, and what the PDP throws
 */
export function search(pdp: AuthzenPdp, kind: SearchKind, body: JsonObject, sealer: Sealer, scope: string): JsonObject {
  const { question, candidates, request, result } = SEARCHES[kind](body);
  const page = pageIn(body);
  const seal = pageSeal(sealer, [scope, kind, pdp.revision(), question]);
  const all = candidates(pdp);
  const results: JsonObject[] = [];
  let at = page.token === '' ? 0 : indexAfter(all, seal.open(page.token));
  const end = at + MAX_EXAMINED;
  for (; at < Math.min(all.length, end); at++) {
    const candidate = all[at] ?? '';
    const evaluation = pdp.evaluate(request(candidate), 'search');
    if (!evaluation.decision) continue;
    if (results.length === page.limit) break; // so that a page that says there is more is not followed by an empty one
    results.push({ ...result(candidate), ...obligationsOf(evaluation) });
  }
  const more = at < all.length ? seal.seal(all[at - 1] ?? '') : '';
  return { results, ...(page.asked || more !== '' ? { page: { next_token: more, count: results.length } } : {}) };
}

/** Obligations profile: of a result, beside its type and id. */
function obligationsOf({ context }: Evaluation): JsonObject {
  const obligations = context?.['obligations'];
  return obligations === undefined ? {} : { obligations };
}

/** Candidates may have come and gone: what follows is what is greater. */
function indexAfter(ids: readonly string[], last: string): number {
  let [low, high] = [0, ids.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ids[middle] ?? '') <= last) low = middle + 1;
    else high = middle;
  }
  return low;
}

interface PageSeal {
  seal(last: string): string;
  /** @throws Refusal CORDON-9011 */
  open(token: string): string;
}

/** Without state: whatever the token is not bound to, it does not open for. */
function pageSeal(sealer: Sealer, bound: readonly Json[]): PageSeal {
  const name = `authzen/page/${sha256Hex(writeJson(sorted(bound)))}`;
  return {
    seal: (last) => Buffer.from(sealer.seal(name, Buffer.from(last))).toString('base64url'),
    open(token) {
      try {
        return Buffer.from(sealer.open(name, Buffer.from(token, 'base64url'))).toString('utf8');
      } catch {
        throw misfit('`page.token` is not of this search, or what it searched has changed: begin again without it');
      }
    },
  };
}

/** One text for one value: the order of members says nothing. */
function sorted(value: Json): Json {
  if (isJsonArray(value)) return value.map(sorted);
  if (!isJsonObject(value)) return value;
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([name, member]) => [name, sorted(member)]));
}
