// One life of delegations, lived with the real engine and real signatures. After every step what came out is held against what went in:
// nobody ever holds more than what it was made of.
import { generateJwsKey, keysByKid } from '../src/crypto/jws.ts';
import { readJwk } from '../src/crypto/jwk.ts';
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../src/domain/json.ts';
import { EVERYTHING, parseMandate, type Mandate } from '../src/domain/mandate.ts';
import { parseTrustDomain } from '../src/domain/spiffe-id.ts';
import type { Subject } from '../src/sts/held.ts';
import type { Exchanged, ExchangeRequest } from '../src/sts/request.ts';
import { DEFAULT_LIMITS, type TokenService } from '../src/sts/service.ts';
import {
  actOf,
  certificateOf,
  checkAudience,
  checkChain,
  checkLife,
  checkMandate,
  checkScope,
  claimsOf,
  endOf,
  holds,
  idOf,
  indexOf,
  issuedAt,
  nameOf,
  PROOF_LIFE,
  readToken,
  runOf,
  same,
  type Token,
  TRUST_DOMAIN,
} from './delegation-measure.ts';
import { AGENT_NAMES, type Ask, AUDIENCES, GATEWAY, type Life, SCOPES, type Step } from './delegation-steps.ts';
import { START } from './delegation-universe.ts';

/** What is tried: the engine, or a copy of it with a bug. */
export interface Engine {
  exchange(service: TokenService, request: ExchangeRequest): Exchanged;
}

const { signer } = generateJwsKey('k1');
const KEYS = keysByKid(new Map([['k1', readJwk(signer.jwk)]]));
/** Of somebody who would like to be the token service. */
const { signer: impostor } = generateJwsKey('k1');
const PROOFS = ['A'.repeat(43), 'B'.repeat(43)];
const USER = { id: 'alice', issuer: 'https://idp.example', sub: 'u-1', groups: ['finance'] };

export interface Lived {
  readonly issued: number;
  readonly refused: ReadonlyMap<string, number>;
}

/** Lives it. @throws Error when somebody holds more than they were given, or is refused what nobody may refuse */
export function live(engine: Engine, life: Life): Lived {
  const world = new World(engine, life);
  for (const step of life.steps) world.take(step);
  return world;
}

class World implements Lived {
  issued = 0;
  readonly refused = new Map<string, number>();
  readonly #engine: Engine;
  readonly #life: Life;
  readonly #tokens: Token[] = [];
  readonly #revoked = new Set<string>();
  #now = START;
  #names = 0;

  constructor(engine: Engine, life: Life) {
    this.#engine = engine;
    this.#life = life;
  }

  take(step: Step): void {
    switch (step.do) {
      case 'begin':
        return this.#begin(step);
      case 'exchange':
        return this.#exchange(step);
      case 'call':
        return this.#call(step);
      case 'forge':
        return this.#forge(step);
      case 'revoke':
        return this.#revoke(step);
      case 'wait':
        this.#now += step.seconds;
    }
  }

  get #ceiling(): Json {
    return this.#life.ceiling ?? [...EVERYTHING];
  }

  #service(): TokenService {
    return {
      issuer: 'https://sts.example',
      trustDomain: parseTrustDomain(TRUST_DOMAIN),
      signer,
      keys: KEYS,
      now: this.#now * 1000 + 250,
      newId: () => `id-${this.#names++}`,
      newTask: () => `id-${this.#names++}`,
      limits: { ...DEFAULT_LIMITS, depth: this.#life.depth },
      mandate: mandateOf(this.#ceiling) ?? EVERYTHING,
      scopes: new Set(['read', 'pay']),
      audience: GATEWAY,
      isResource: (audience) => AUDIENCES.slice(0, 3).some((known) => known === audience),
      mayDelegate: (from, to) => this.#mayDelegate(from, to),
      isRevoked: ({ txn, tokens, chain }) => [txn, ...tokens, ...chain].some((id) => this.#revoked.has(id)),
      clientAt: (server) => (server === 'https://elsewhere.example' ? 'client-7' : undefined),
    };
  }

  #mayDelegate(from: string, to: string): boolean {
    return !this.#life.apart.some(([a, b]) => AGENT_NAMES[a] === from && AGENT_NAMES[b] === to);
  }

  #begin({ agent, ask, user, audience, scope, bound, mayAct }: Step & { do: 'begin' }): void {
    const exp = this.#now + 500;
    const named = user && mayAct < 2 ? runOf(agent + mayAct) : undefined;
    const parent: Token = {
      kind: user ? 'user' : 'self',
      text: '',
      mandate: mandateOf(this.#ceiling) === undefined ? [...EVERYTHING] : this.#ceiling,
      exp: user ? exp : this.#now + PROOF_LIFE,
      audience: undefined,
      scope: undefined,
      chain: [],
      lineage: [],
      txn: undefined,
      sub: user ? USER.id : `spiffe://${TRUST_DOMAIN}/agent/${nameOf(agent)}`,
      user: user ? { iss: USER.issuer, sub: USER.sub, groups: USER.groups } : undefined,
      cnf: undefined,
      callee: undefined,
      mayAct: named,
    };
    const subject: Subject = user
      ? { kind: 'user', user: USER, expiresAt: exp * 1000, ...(named === undefined ? {} : { mayAct: named }) }
      : { kind: 'self' };
    this.#try(parent, subject, agent, { ask, audience, scope, bound });
  }

  #exchange({ of, agent, ...how }: Step & { do: 'exchange' }): void {
    const parent = this.#held(of);
    if (parent === undefined) return;
    // half of the time whoever holds it, else whoever comes along
    const who = how.bound % 2 === 0 && of % 2 === 0 ? indexOf(parent.chain.at(-1)) : agent;
    this.#try(parent, { kind: 'task', token: parent.text }, who, how);
  }

  #held(of: number): Token | undefined {
    const tasks = this.#tokens.filter(({ kind }) => kind === 'task');
    return tasks[of % Math.max(1, tasks.length)];
  }

  /** The gateway, then perhaps replacements, then somebody who takes the transaction token for an own one. */
  #call({ of, callee, agent, ask, replacements }: Step & { do: 'call' }): void {
    const caller = this.#held(of);
    if (caller === undefined) return;
    let txn = this.#txnOf(caller, callee);
    for (let at = 0; at < replacements; at++) {
      const requester = at % 2 === 0 ? callee : agent;
      const replaced = this.#ask({ kind: 'txn', token: txn.text }, requester, { type: 'txn_token', audiences: [TRUST_DOMAIN] });
      if (replaced === undefined) continue;
      const next = { ...txn, text: tokenIn(replaced) };
      const [before, after] = [claimsOf(txn.text), claimsOf(next.text)];
      for (const member of ['txn', 'sub', 'aud', 'tctx', 'scope', 'iss'])
        same(before[member], after[member], `a replaced token has another \`${member}\``);
      holds(Number(after['exp']) <= Number(before['exp']), 'a replaced token lives longer');
      holds(requester === callee || runOf(requester) === before['req_wl'], 'a transaction token was replaced by a stranger');
      this.#checkAlive(txn, requester);
      txn = next;
    }
    this.#try(txn, { kind: 'txn', token: txn.text }, of % 3 === 0 ? agent : callee, { ask, audience: -1, scope: 0, bound: 0 });
  }

  #txnOf(caller: Token, callee: number): Token {
    const [requester = ''] = [caller.chain.at(-1)];
    const claims = {
      iss: 'https://sts.example',
      iat: this.#now,
      exp: Math.max(caller.exp, this.#now + 1),
      aud: TRUST_DOMAIN,
      txn: caller.txn ?? '',
      sub: caller.sub,
      scope: 'read',
      req_wl: requester,
      tctx: {
        action: 'a2a/SendMessage',
        resource: `agent:${nameOf(callee)}`,
        callee: nameOf(callee),
        authorization_details: caller.mandate,
        parents: caller.lineage,
        act: actOf(caller.chain),
        ...(caller.user === undefined ? {} : { user: caller.user }),
      },
      rctx: {},
    };
    const text = signer.sign(claims, 'txntoken+jwt');
    return {
      ...caller,
      kind: 'txn',
      text,
      exp: claims.exp,
      audience: undefined,
      scope: new Set(['read']),
      cnf: undefined,
      callee: nameOf(callee),
    };
  }

  #forge({ of, agent, how }: Step & { do: 'forge' }): void {
    const token = this.#held(of);
    if (token === undefined) return;
    const [head = '', , signature = ''] = token.text.split('.');
    const greedy = { ...claimsOf(token.text), authorization_details: [...EVERYTHING], exp: this.#now + 900 };
    const body = Buffer.from(JSON.stringify(greedy)).toString('base64url');
    const forged: readonly Subject[] = [
      { kind: 'task', token: `${head}.${body}.${signature}` },
      { kind: 'task', token: impostor.sign(greedy, 'at+jwt') },
      { kind: 'txn', token: token.text },
      { kind: 'task', token: this.#txnOf(token, agent).text },
      { kind: 'task', token: `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${body}.` },
      { kind: 'txn', token: impostor.sign(claimsOf(this.#txnOf(token, agent).text), 'txntoken+jwt') },
    ];
    const subject = forged[how];
    if (subject === undefined) return;
    holds(this.#ask(subject, agent, {}) === undefined, `a forged token was exchanged (${how})`);
  }

  #revoke({ of, what }: Step & { do: 'revoke' }): void {
    const token = this.#held(of);
    const id = { token: token?.lineage[0], txn: token?.txn, run: token?.chain[0] }[what];
    if (id !== undefined) this.#revoked.add(id);
  }

  #try(parent: Token, subject: Subject, agent: number, { ask, audience, scope, bound }: How): void {
    const asked = askedFor(ask, parent.mandate);
    const details = asked === undefined ? undefined : mandateOf(asked);
    if (asked !== undefined && details === undefined) return; // what cannot be read is refused before the engine
    const target = audience < 0 ? undefined : AUDIENCES[audience];
    const words = SCOPES[scope];
    const isJag = target === 'https://elsewhere.example' && parent.kind === 'task';
    const exchanged = this.#ask(subject, agent, {
      ...(isJag ? { type: 'id_jag' as const } : {}),
      ...(details === undefined ? {} : { details }),
      ...(target === undefined ? {} : { audiences: [target] }),
      ...(words === undefined ? {} : { scope: words }),
      ...provenBy(bound, agent),
    });
    if (exchanged === undefined) return this.#checkRefusal(parent, agent, { ask, audience, scope, bound });
    const child = this.#checked(parent, agent, exchanged, asked);
    if (!isJag) this.#tokens.push(child);
  }

  #ask(subject: Subject, agent: number, more: Partial<ExchangeRequest>): Exchanged | undefined {
    try {
      const exchanged = this.#engine.exchange(this.#service(), {
        actor: { id: idOf(agent), expiresAt: (this.#now + PROOF_LIFE) * 1000 },
        subject,
        ...more,
      });
      this.issued++;
      return exchanged;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      if (!code.startsWith('CORDON-')) throw error;
      holds(!code.startsWith('CORDON-9') || code === 'CORDON-9011', `the engine failed: ${code}`);
      this.refused.set(code, (this.refused.get(code) ?? 0) + 1);
      return undefined;
    }
  }

  /** Whoever holds a living token may have it again as it is. */
  #checkRefusal(parent: Token, agent: number, { ask, audience, scope, bound }: How): void {
    const isPlain = (ask.kind === 'nothing' || ask.kind === 'same') && audience < 0 && scope === 0 && bound === 0;
    const isOwn = parent.kind === 'task' && parent.chain.at(-1) === runOf(agent) && parent.cnf === undefined;
    if (!isPlain || !isOwn || this.#isDead(parent, agent) || issuedAt(parent.text) > this.#now) return;
    holds(Math.min(parent.exp, endOf(parent.mandate)) <= this.#now, 'the holder of a living token was refused it');
  }

  #isDead({ txn, lineage, chain }: Token, agent: number): boolean {
    return [txn ?? '', ...lineage, ...chain, runOf(agent)].some((id) => this.#revoked.has(id));
  }

  #checkAlive(parent: Token, agent: number): void {
    holds(parent.exp > this.#now, 'an expired token was exchanged');
    holds(!this.#isDead(parent, agent), 'a revoked token was exchanged');
  }

  #checked(parent: Token, agent: number, exchanged: Exchanged, asked: Json | undefined): Token {
    const text = tokenIn(exchanged);
    const claims = claimsOf(text);
    const child = readToken(text);
    this.#checkAlive(parent, agent);
    checkLife(parent, agent, child, this.#now);
    checkChain(parent, agent, child, { depth: this.#life.depth, mayDelegate: (from, to) => this.#mayDelegate(from, to) });
    checkMandate(parent, child, asked);
    checkScope(parent, child);
    same(child.sub, parent.sub, 'the subject changed');
    if (parent.txn !== undefined) same(child.txn, parent.txn, 'the transaction changed');
    if (claims['aud'] !== 'https://elsewhere.example') {
      same(child.user, parent.user, 'the user changed');
      same(child.lineage.slice(0, -1), parent.lineage, 'the parents changed');
      checkAudience(parent, child);
    }
    return child;
  }
}

interface How {
  readonly ask: Ask;
  readonly audience: number;
  readonly scope: number;
  readonly bound: number;
}

function provenBy(bound: number, agent: number): Partial<ExchangeRequest> {
  const certificate = certificateOf(agent);
  if (bound === 3) return { proven: { certificate }, bindCertificate: true };
  const jkt = PROOFS[bound - 1];
  return jkt === undefined ? { proven: { certificate } } : { proven: { certificate, jkt } };
}

const tokenIn = ({ response }: Exchanged): string => response.access_token;

function mandateOf(json: Json): Mandate | undefined {
  try {
    return parseMandate(json);
  } catch {
    return undefined;
  }
}

/** What is asked for, of what is held. */
function askedFor(ask: Ask, held: Json): Json | undefined {
  if (ask.kind === 'nothing') return undefined;
  if (ask.kind === 'same') return held;
  if (ask.kind === 'random') return [...ask.mandate];
  const entries = isJsonArray(held) ? held.filter(isJsonObject) : [];
  const { member, value } = ask;
  return entries.map((entry, at) => {
    if (at !== ask.entry % entries.length) return entry;
    const isLimit = member === 'amount' || member === 'to';
    return isLimit ? { ...entry, arguments: changed(objectIn(entry['arguments']), member, value) } : changed(entry, member, value);
  });
}

const objectIn = (json: Json | undefined): JsonObject => (isJsonObject(json) ? json : {});

function changed(object: JsonObject, member: string, value: Json | undefined): JsonObject {
  const { [member]: _old, ...others } = object;
  return value === undefined ? others : { ...others, [member]: value };
}
