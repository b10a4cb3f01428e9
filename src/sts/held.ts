// What the holder of a subject token holds: the measure of everything that is issued for it (RFC 8693 §2.1).
import type { Code } from '../domain/codes.ts';
import type { Mandate } from '../domain/mandate.ts';
import { asRefusal, Refusal } from '../domain/refusal.ts';
import type { SpiffeId } from '../domain/spiffe-id.ts';
import { secondsOf, type TokenUser } from './claims.ts';
import type { Confirmation } from './confirm.ts';
import type { TokenService } from './service.ts';
import { agentOf, MOST_PARENTS, readTaskToken } from './task-token.ts';
import { contextOf, readTxnToken } from './txn-token.ts';

/** A user whose token was verified, as its issuer vouches for them. */
export interface UserFacts extends TokenUser {
  /** As policies know them. */
  readonly id: string;
}

/** For whom it is exchanged: proven by the token itself, or by whoever verified it. */
export type Subject =
  | {
      readonly kind: 'user';
      readonly user: UserFacts;
      readonly expiresAt: number;
      readonly mandate?: Mandate;
      readonly mayAct?: string;
      readonly confirmation?: Confirmation;
    }
  /** A task token. attacker-controlled */
  | { readonly kind: 'task'; readonly token: string }
  /** A transaction token. attacker-controlled */
  | { readonly kind: 'txn'; readonly token: string }
  /** Nobody but the agent itself. */
  | { readonly kind: 'self' };

/** Who asks: a run whose key was proven. */
export interface Actor {
  readonly id: SpiffeId;
  /** When its proof ends, Unix milliseconds. */
  readonly expiresAt: number;
}

/** Times are Unix seconds. */
export interface Held {
  readonly kind: Subject['kind'];
  readonly sub: string;
  readonly user: TokenUser | undefined;
  readonly txn: string;
  /** Runs, oldest first; nobody before the first agent. */
  readonly chain: readonly SpiffeId[];
  readonly mandate: Mandate;
  /** Undefined when what is exchanged knows no scopes of ours. */
  readonly scope: string | undefined;
  /** What the audience must be, or lie under; undefined: any resource. */
  readonly audience: string | undefined;
  readonly expiresAt: number;
  /** `jti` of all tokens so far, oldest first. */
  readonly tokens: readonly string[];
  readonly confirmation: Confirmation | undefined;
  /** Who alone may act (RFC 8693 §4.4): the SPIFFE ID of a run or of an agent. */
  readonly mayAct: string | undefined;
  /** The agent that a transaction token was made for. */
  readonly callee: string | undefined;
}

/**
 * Verifies what is exchanged.
 * @throws Refusal CORDON-2002 expired, CORDON-2004 exchanged too often, CORDON-2009 not of this token service
 */
export function heldBy(service: TokenService, subject: Subject, actor: Actor): Held {
  const held = { ...UNSAID, ...saidBy(service, subject, actor) };
  if (held.tokens.length > MOST_PARENTS) throw new Refusal('CORDON-2004', 'the task was exchanged too often');
  return held;
}

const UNSAID = {
  user: undefined,
  chain: [],
  scope: undefined,
  audience: undefined,
  tokens: [],
  confirmation: undefined,
  mayAct: undefined,
  callee: undefined,
} as const;

type Said = Omit<Held, keyof typeof UNSAID> & Partial<Held>;

function saidBy(service: TokenService, subject: Subject, actor: Actor): Said {
  switch (subject.kind) {
    case 'user':
      return ofUser(service, subject);
    case 'task':
      return { kind: 'task', ...ofTask(service, subject.token) };
    case 'txn':
      return ofTxn(service, subject.token);
    case 'self':
      return {
        kind: 'self',
        sub: agentOf(actor.id),
        txn: service.newTask(),
        mandate: service.mandate,
        expiresAt: secondsOf(actor.expiresAt),
      };
  }
}

/** The first hop. What the user's issuer calls scopes are not ours. */
function ofUser(service: TokenService, subject: Subject & { readonly kind: 'user' }): Said {
  const { id, ...user } = subject.user;
  const { mandate = service.mandate, mayAct, confirmation } = subject;
  return { kind: 'user', sub: id, user, txn: service.newTask(), mandate, mayAct, confirmation, expiresAt: secondsOf(subject.expiresAt) };
}

function ofTask(service: TokenService, text: string): Omit<Said, 'kind'> {
  const isAudience = (): boolean => true;
  const token = ours(() => readTaskToken(text, service.keys, { ...clockOf(service), issuer: service.issuer, isAudience }));
  return { ...token, scope: token.scope ?? '', tokens: [...token.parents, token.jti] };
}

/** The agent that was called: what the caller held is in the context of the transaction. */
function ofTxn(service: TokenService, text: string): Said {
  const token = ours(() =>
    readTxnToken(text, service.keys, { ...clockOf(service), issuer: service.issuer, trustDomain: service.trustDomain }),
  );
  const { mandate, parents, chain, user, callee } = ours(() => contextOf(token));
  const { txn, sub, scope, expiresAt } = token;
  return { kind: 'txn', sub, user, txn, chain, mandate, scope, expiresAt, tokens: parents, callee };
}

const clockOf = ({ now, limits: { skew } }: TokenService): { readonly now: number; readonly skew: number } => ({ now, skew });

const AS_HOP: Readonly<Partial<Record<Code, Code>>> = {
  'CORDON-1009': 'CORDON-2009',
  'CORDON-1010': 'CORDON-2002',
  'CORDON-1011': 'CORDON-2010',
};

/** What is wrong with a token of ours that is exchanged, as what is wrong with the delegation. */
export function ours<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    const { code, message, observed } = asRefusal(error, 'CORDON-1009', 'token malformed');
    throw new Refusal(AS_HOP[code] ?? code, message, { cause: error, ...(observed === undefined ? {} : { observed }) });
  }
}
