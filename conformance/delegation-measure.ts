// The measure of what is issued: each of these holds between any token and the one it was made of. Tokens are decoded here, not by the
// engine.
import { isJsonArray, isJsonObject, type Json, type JsonObject, parseJson } from '../src/domain/json.ts';
import { parseSpiffeId, type SpiffeId } from '../src/domain/spiffe-id.ts';
import { DEFAULT_LIMITS } from '../src/sts/service.ts';
import { AGENT_NAMES, AUDIENCES, GATEWAY } from './delegation-steps.ts';
import { allowedBy, bothAllow, callBeyond, firstBeyond } from './delegation-universe.ts';

export const TRUST_DOMAIN = 'desk.example';
/** Seconds that the proof of a run lasts. */
export const PROOF_LIFE = 120;

/** Something that can be exchanged, and what it is the measure of. */
export interface Token {
  readonly kind: 'user' | 'self' | 'task' | 'txn';
  readonly text: string;
  readonly mandate: Json;
  readonly exp: number;
  readonly audience: string | undefined;
  readonly scope: ReadonlySet<string> | undefined;
  readonly chain: readonly string[];
  readonly lineage: readonly string[];
  readonly txn: string | undefined;
  readonly sub: string;
  readonly user: Json | undefined;
  readonly cnf: JsonObject | undefined;
  readonly callee: string | undefined;
  readonly mayAct: string | undefined;
}

export const idOf = (agent: number): SpiffeId => parseSpiffeId(runOf(agent));
export const nameOf = (agent: number): string => AGENT_NAMES[agent % AGENT_NAMES.length] ?? '';
export const runOf = (agent: number): string => `spiffe://${TRUST_DOMAIN}/agent/${nameOf(agent)}/run/r-${nameOf(agent)}`;
export const indexOf = (run = ''): number => AGENT_NAMES.findIndex((name) => run.includes(`/agent/${name}/`));
export const certificateOf = (agent: number): string => String(agent % AGENT_NAMES.length).repeat(43);

/** A task token, or an assertion, as anybody can read it. */
export function readToken(text: string): Token {
  const claims = claimsOf(text);
  const { aud, exp, txn, sub, scope, cnf, jti, parents } = claims;
  return {
    kind: 'task',
    text,
    mandate: claims['authorization_details'] ?? null,
    exp: Number(exp),
    audience: textIn(aud),
    scope: new Set(typeof scope === 'string' ? scope.split(' ') : []),
    chain: chainOf(claims['act']),
    lineage: [...(isJsonArray(parents) ? parents.map(textIn) : []), textIn(jti)],
    txn: textIn(txn),
    sub: textIn(sub),
    user: claims['user'],
    cnf: isJsonObject(cnf) ? cnf : undefined,
    callee: undefined,
    mayAct: undefined,
  };
}

export function checkLife(parent: Token, agent: number, { exp, cnf, mandate, text }: Token, now: number): void {
  holds(exp <= parent.exp, 'it lives longer than its parent');
  holds(exp > now && exp <= now + DEFAULT_LIMITS.taskLife, 'it lives for no time, or for too long');
  holds(exp <= endOf(mandate), 'it lives longer than its mandate');
  same(claimsOf(text)['iat'], now, 'it was issued at another time');
  if (cnf?.['x5t#S256'] !== undefined) {
    holds(exp <= now + 120, 'it lives longer than the certificate it is bound to');
    same(cnf['x5t#S256'], certificateOf(agent), 'it is bound to the certificate of another');
  }
  if (parent.cnf?.['jkt'] !== undefined) same(cnf?.['jkt'], parent.cnf['jkt'], 'it is bound to another key than its parent');
  if (parent.cnf?.['x5t#S256'] !== undefined) holds(cnf !== undefined, 'its parent was bound to a certificate, and it is to nothing');
}

/** Which hops there may be. */
export interface Rules {
  readonly depth: number;
  readonly mayDelegate: (from: string, to: string) => boolean;
}

export function checkChain(parent: Token, agent: number, { chain }: Token, { depth, mayDelegate }: Rules): void {
  const actor = runOf(agent);
  const names = chain.map((run) => run.split('/')[4]);
  same(chain.at(-1), actor, 'the actor is not who asked');
  holds(chain.length <= depth && new Set(names).size === names.length, 'the chain is too long, or has a loop');
  if (chain.length === parent.chain.length) {
    same(chain, parent.chain, 'the chain changed');
    return holds(parent.kind === 'task', 'nobody was added to the chain');
  }
  same(chain.slice(0, -1), parent.chain, 'the chain changed');
  const from = indexOf(parent.chain.at(-1));
  if (parent.mayAct !== undefined) return same(parent.mayAct, actor, '`may_act` names another');
  if (parent.kind === 'txn') return same(parent.callee, nameOf(agent), 'a transaction token was exchanged by another than was called');
  if (parent.kind === 'task') holds(mayDelegate(nameOf(from), nameOf(agent)), 'the agents may not hand on to each other');
}

export function checkMandate(parent: Token, child: Token, asked: Json | undefined): void {
  const [has, had] = [allowedBy(child.mandate), allowedBy(parent.mandate)];
  const beyond = callBeyond(has, had);
  holds(beyond === undefined, `it allows what its parent does not: ${beyond}`);
  const purposes = [parent.mandate, asked]
    .flatMap((mandate) => (isJsonArray(mandate) ? mandate : []))
    .some((entry) => isJsonObject(entry) && entry['purpose'] !== undefined);
  if (asked === undefined) return same(child.mandate, parent.mandate, 'the mandate changed, and nobody asked for that');
  const wanted = allowedBy(asked);
  const unasked = callBeyond(has, wanted);
  holds(unasked === undefined, `it allows what nobody asked for: ${unasked}`);
  const cut = firstBeyond(wanted, had);
  holds(cut === undefined, `it was asked for more than is held, and less was given without a word: ${cut}`);
  if (!purposes) holds(callBeyond(bothAllow(wanted, had), has) === undefined, 'less was given than was asked for and held, without a word');
}

export function checkScope({ scope: held }: Token, { scope }: Token): void {
  const words = [...(scope ?? [])];
  const lost = words.find((word) => !(held ?? new Set(['read', 'pay'])).has(word));
  holds(lost === undefined, `it has the scope \`${lost}\` that its parent has not`);
}

export function checkAudience({ audience: held }: Token, { audience = '' }: Token): void {
  holds(
    AUDIENCES.slice(0, 3).some((known) => known === audience),
    'it is for something else than a resource of the gateway',
  );
  if (held !== undefined)
    holds(audience === held || (held === GATEWAY && audience.startsWith(`${GATEWAY}/`)), 'it is for another resource than its parent');
}

export function claimsOf(text: string): JsonObject {
  const claims = parseJson(Buffer.from(text.split('.')[1] ?? '', 'base64url'), { maxBytes: 16_384, maxDepth: 24 });
  return isJsonObject(claims) ? claims : {};
}

export const issuedAt = (text: string): number => Number(claimsOf(text)['iat']);

function chainOf(act: Json | undefined): readonly string[] {
  return isJsonObject(act) ? [...chainOf(act['act']), textIn(act['sub'])] : [];
}

export const actOf = (chain: readonly string[]): JsonObject =>
  chain.reduce<JsonObject>((act, sub) => (Object.keys(act).length === 0 ? { sub } : { sub, act }), {});

export function endOf(mandate: Json | undefined): number {
  const ends = (isJsonArray(mandate) ? mandate : []).map((entry) =>
    isJsonObject(entry) && typeof entry['exp'] === 'number' ? entry['exp'] : Infinity,
  );
  return Math.max(...ends);
}

const textIn = (json: Json | undefined): string => (typeof json === 'string' ? json : '');

export function holds(is: boolean, otherwise: string): void {
  if (!is) throw new Error(otherwise);
}

export function same(a: unknown, b: unknown, otherwise: string): void {
  if (JSON.stringify(a) !== JSON.stringify(b)) throw new Error(`${otherwise}: ${JSON.stringify(a)}, and not ${JSON.stringify(b)}`);
}
