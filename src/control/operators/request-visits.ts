// Requests for approval on the page: somebody shows with a passkey who they are and sees what is asked; each answer is signed with the passkey
// again, for exactly that answer. There is no session and no cookie, so nothing that another page could ride on, and nothing to steal from the
// address: whoever has it, an agent too, sees and answers nothing without an operator's passkey. INVARIANT I7
import { randomId } from '../../crypto/random.ts';
import type { AccessRequest } from '../../domain/access.ts';
import { type JsonObject, writeJson } from '../../domain/json.ts';
import { roleHolds, type OperatorRole } from '../../domain/operators.ts';
import { Refusal } from '../../domain/refusal.ts';
import { USUAL, type Answerer, type GrantDesk, type GrantView } from '../grants.ts';
import type { Passkeys } from './passkeys.ts';

export interface RequestVisitParts {
  readonly passkeys: Pick<Passkeys, 'challenge' | 'verify'>;
  readonly grants: Pick<GrantDesk, 'idOf' | 'get' | 'approve' | 'refuse'>;
  readonly roleOf: (operator: string) => OperatorRole | undefined;
  /** SPIFFE ID. */
  readonly actorOf: (operator: string) => string;
  /** Unix milliseconds. */
  readonly now: () => number;
}

/** `reason`: of a refusal. */
export type RequestAnswer = { readonly answer: 'approve' } | { readonly answer: 'refuse'; readonly reason: string };

/** What the browser is asked to sign, and what for. */
export interface BegunVisit {
  readonly visit: string;
  readonly options: object;
}

export interface RequestVisits {
  /** Somebody wants to see what has this digest. Says nothing of whether there is such a thing. @throws Refusal CORDON-4003 */
  begin(digest: string): Promise<BegunVisit>;
  /** @throws Refusal CORDON-1005, -1012, -1013, -1017 */
  show(visit: string, response: unknown): Promise<JsonObject>;
  /** Somebody wants to give this answer to the request of this id. @throws Refusal CORDON-4003 */
  beginAnswer(id: string, answer: RequestAnswer): Promise<BegunVisit>;
  /** @throws Refusal CORDON-1005, -1012, -1013, -1017, -5008 */
  answer(visit: string, response: unknown): Promise<JsonObject>;
}

type Intent =
  | { readonly kind: 'show'; readonly digest: string }
  | { readonly kind: 'answer'; readonly id: string; readonly answer: RequestAnswer };

const TTL = 5 * 60_000;
const MOST = 200;

export const createRequestVisits = (parts: RequestVisitParts): RequestVisits => new Visits(parts);

class Visits implements RequestVisits {
  readonly #parts: RequestVisitParts;
  readonly #begun = new Map<string, { readonly intent: Intent; readonly until: number }>();

  constructor(parts: RequestVisitParts) {
    this.#parts = parts;
  }

  begin(digest: string): Promise<BegunVisit> {
    return this.#begin({ kind: 'show', digest });
  }

  async show(visit: string, response: unknown): Promise<JsonObject> {
    const { grants, now } = this.#parts;
    const { digest } = this.#take(visit, 'show');
    const { operator, role } = await this.#proven(visit, response);
    const id = grants.idOf(digest);
    if (id === undefined)
      throw new Refusal('CORDON-1012', 'nobody is asked this, or not any more', { fix: 'see what waits: `cordon grant list`' });
    const { grant, request } = await grants.get(id);
    const mayAnswer = grant.state === 'asked' && grant.until > now() && roleHolds(role, grant.approver);
    return { operator, role, may_answer: mayAnswer, ...shownOf(grant, request, roleHolds(role, 'analyst')) };
  }

  beginAnswer(id: string, answer: RequestAnswer): Promise<BegunVisit> {
    return this.#begin({ kind: 'answer', id, answer });
  }

  async answer(visit: string, response: unknown): Promise<JsonObject> {
    const { grants, actorOf } = this.#parts;
    const { id, answer } = this.#take(visit, 'answer');
    const { operator, role } = await this.#proven(visit, response);
    const by: Answerer = { actor: actorOf(operator), role, means: 'passkey' };
    const { state } = answer.answer === 'approve' ? await grants.approve(id, by, USUAL) : await grants.refuse(id, by, answer.reason);
    return { operator, id, state };
  }

  async #begin(intent: Intent): Promise<BegunVisit> {
    const now = this.#parts.now();
    for (const [id, { until }] of this.#begun) if (until <= now) this.#begun.delete(id);
    if (this.#begun.size >= MOST) throw new Refusal('CORDON-4003', 'too many pages are open');
    const visit = randomId(20);
    this.#begun.set(visit, { intent, until: now + TTL });
    return { visit, options: await this.#parts.passkeys.challenge(ceremonyOf(visit)) };
  }

  /** Once, and only for what it was begun for. */
  #take<K extends Intent['kind']>(visit: string, kind: K): Extract<Intent, { kind: K }> {
    const begun = this.#begun.get(visit);
    this.#begun.delete(visit);
    if (begun !== undefined && begun.until > this.#parts.now() && isOf(begun.intent, kind)) return begun.intent;
    throw new Refusal('CORDON-1005', 'nothing was asked, or too long ago', { fix: 'load the page again' });
  }

  async #proven(visit: string, response: unknown): Promise<{ readonly operator: string; readonly role: OperatorRole }> {
    const operator = await this.#parts.passkeys.verify(ceremonyOf(visit), response);
    const role = this.#parts.roleOf(operator);
    if (role === undefined) throw new Refusal('CORDON-1017', `\`${operator}\` is no operator`);
    return { operator, role };
  }
}

/** Never the name of a sign-in: what is signed for one is of no use for the other. */
const ceremonyOf = (visit: string): string => `request/${visit}`;

const isOf = <K extends Intent['kind']>(intent: Intent, kind: K): intent is Extract<Intent, { kind: K }> => intent.kind === kind;

function shownOf(grant: GrantView, request: AccessRequest, whole: boolean): JsonObject {
  const { id, digest, state, agent, action, resource, reason, policies, approver, askedAt, until, times } = grant;
  const user = request.delegation?.user;
  return {
    grant: {
      id,
      digest,
      state,
      agent,
      action: visible(action),
      resource: visible(resource),
      reason: visible(reason),
      policies,
      approver,
      askedAt,
      until,
      times,
    },
    ...(user === undefined ? {} : { user: visible(`${user.issuer} ${user.id}`) }),
    // as over the API: who may not answer does not see the arguments
    ...(whole ? { input: visible(linesOf(request.context.input ?? {})) } : {}),
  };
}

/** A line for each argument; integers of any size as they are. */
const linesOf = (input: JsonObject): string =>
  Object.entries(input)
    .map(([name, value]) => `${writeJson(name)}: ${writeJson(value)}`)
    .join('\n');

/** What cannot be seen, or turns the direction of what follows, is written out: the words are an agent's. attacker-controlled */
const visible = (text: string): string =>
  text.replaceAll(
    /[^\P{C}\n]|\p{Default_Ignorable_Code_Point}|[\p{Zl}\p{Zp}]/gu,
    (one) => `\\u{${(one.codePointAt(0) ?? 0).toString(16)}}`,
  );
