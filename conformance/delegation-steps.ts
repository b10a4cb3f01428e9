// Random lives of delegations: agents that exchange what they hold and what they stole, requests from modest to greedy, revocations,
// clocks that jump. A step only says what is tried; what it is tried with is chosen from what there is when its turn comes.
import fc from 'fast-check';
import type { Json, JsonObject } from '../src/domain/json.ts';
import { START } from './delegation-universe.ts';

export const AGENT_NAMES = ['desk', 'clerk', 'scribe', 'payer', 'audit', 'courier'] as const;
export const GATEWAY = 'https://gw.example:8443';
export const AUDIENCES = [
  GATEWAY,
  `${GATEWAY}/mcp/ledger`,
  `${GATEWAY}/a2a/clerk`,
  'https://elsewhere.example',
  `${GATEWAY}.evil.example`,
] as const;
export const SCOPES = [undefined, '', 'read', 'read pay', 'pay read pay', 'admin'] as const;

/** How a request for `authorization_details` relates to what is held. */
export type Ask =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'same' }
  | { readonly kind: 'random'; readonly mandate: readonly JsonObject[] }
  /** One member of one entry, or one of its limits, is replaced or taken out. */
  | { readonly kind: 'changed'; readonly entry: number; readonly member: string; readonly value: Json | undefined };

export type Step =
  | {
      readonly do: 'begin';
      readonly agent: number;
      readonly ask: Ask;
      readonly user: boolean;
      readonly audience: number;
      readonly scope: number;
      readonly bound: number;
      readonly mayAct: number;
    }
  | {
      readonly do: 'exchange';
      readonly of: number;
      readonly agent: number;
      readonly ask: Ask;
      readonly audience: number;
      readonly scope: number;
      readonly bound: number;
    }
  /** The call of another agent through the gateway, which sends a transaction token along, and what the callee makes of it. */
  | {
      readonly do: 'call';
      readonly of: number;
      readonly callee: number;
      readonly agent: number;
      readonly ask: Ask;
      readonly replacements: number;
    }
  | { readonly do: 'forge'; readonly of: number; readonly agent: number; readonly how: number }
  | { readonly do: 'revoke'; readonly of: number; readonly what: 'token' | 'txn' | 'run' }
  | { readonly do: 'wait'; readonly seconds: number };

const ACTIONS = ['tools/call', 'a2a/SendMessage', 'resources/read', '*'];
const LOCATIONS = [
  '*',
  'tool:*',
  'tool:ledger/*',
  'tool:ledger/pay',
  'tool:ledger/read',
  'tool:mail/send',
  'tool:mail/*',
  'mcp_server:ledger',
  'mcp_server:*',
  'agent:*',
  'agent:clerk',
  'agent:scribe',
];

const optional = <T extends Json>(member: string, values: fc.Arbitrary<T>): fc.Arbitrary<JsonObject> =>
  fc.option(values, { nil: undefined, freq: 2 }).map((value): JsonObject => (value === undefined ? {} : { [member]: value }));

const amountLimit = fc.oneof(
  { weight: 1, arbitrary: fc.constant<JsonObject>({}) },
  { weight: 2, arbitrary: fc.subarray([0, 5, 10], { minLength: 1 }).map((values): JsonObject => ({ in: values })) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(optional('min', fc.constantFrom(0, 5, 10)), optional('max', fc.constantFrom(5, 10, 11)))
      .map(([min, max]) => ({ ...min, ...max })),
  },
);
const payeeLimit = fc.oneof(
  { weight: 1, arbitrary: fc.constant<JsonObject>({}) },
  {
    weight: 2,
    arbitrary: fc.subarray<Json>(['acme-1', 'acme-22', 'evil-1'], { minLength: 1 }).map((values): JsonObject => ({ in: values })),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(optional('prefix', fc.constantFrom('acme-', 'a', 'acme-2')), optional('suffix', fc.constantFrom('1', '-1', '2')))
      .map(([prefix, suffix]) => ({ ...prefix, ...suffix })),
  },
);

const MEMBERS = {
  actions: fc.subarray(ACTIONS, { minLength: 1, maxLength: 2 }),
  locations: fc.subarray(LOCATIONS, { minLength: 1, maxLength: 4 }),
  amount: amountLimit,
  to: payeeLimit,
  other_arguments: fc.constant(false),
  after: fc.subarray(['tool:ledger/read', 'tool:ledger/pay'], { minLength: 1 }),
  budget: fc.constantFrom(1, 2, 3).map((calls) => ({ calls })),
  purpose: fc.constantFrom('month end', 'trip'),
  exp: fc.constantFrom(60, 300, 900).map((seconds) => START + seconds),
} as const satisfies Readonly<Record<string, fc.Arbitrary<Json>>>;

/** Not every one of them is a mandate that the parser takes: those are the clients' mistakes. */
export const entry: fc.Arbitrary<JsonObject> = fc
  .record({
    about: fc.record({ actions: MEMBERS.actions, locations: MEMBERS.locations }),
    limits: fc.tuple(optional('amount', MEMBERS.amount), optional('to', MEMBERS.to)).map(([amount, to]) => ({ ...amount, ...to })),
    terms: fc
      .tuple(
        optional('other_arguments', MEMBERS.other_arguments),
        optional('after', MEMBERS.after),
        optional('budget', MEMBERS.budget),
        optional('purpose', MEMBERS.purpose),
        optional('exp', MEMBERS.exp),
      )
      .map(([others, after, budget, purpose, exp]) => ({ ...others, ...after, ...budget, ...purpose, ...exp })),
  })
  .map(({ about, limits, terms }) => ({
    type: 'cordon_task',
    ...about,
    ...(Object.keys(limits).length === 0 ? {} : { arguments: limits }),
    ...terms,
  }));

const mandate = fc.array(entry, { minLength: 1, maxLength: 3 });
const changed = fc
  .oneof(
    ...Object.entries(MEMBERS).map(([member, values]) =>
      fc.record({ member: fc.constant(member), value: fc.option<Json, undefined>(values, { nil: undefined, freq: 4 }) }),
    ),
  )
  .chain(({ member, value }) => fc.nat(3).map((at): Ask => ({ kind: 'changed', entry: at, member, value })));
const ask: fc.Arbitrary<Ask> = fc.oneof(
  { weight: 5, arbitrary: fc.constant<Ask>({ kind: 'nothing' }) },
  { weight: 1, arbitrary: fc.constant<Ask>({ kind: 'same' }) },
  { weight: 1, arbitrary: mandate.map((random): Ask => ({ kind: 'random', mandate: random })) },
  { weight: 7, arbitrary: changed },
);

const index = fc.nat(40);
const agent = fc.nat(AGENT_NAMES.length - 1);
const audience = fc.oneof({ weight: 7, arbitrary: fc.constant(-1) }, { weight: 1, arbitrary: fc.nat(AUDIENCES.length - 1) });
const scope = fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(SCOPES.length - 1) });
const bound = fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(3) });

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('begin' as const), agent, ask, user: fc.boolean(), audience, scope, bound, mayAct: fc.nat(9) }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('exchange' as const), of: index, agent, ask, audience, scope, bound }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('call' as const), of: index, callee: agent, agent, ask, replacements: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('forge' as const), of: index, agent, how: fc.nat(5) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('revoke' as const),
      of: index,
      what: fc.constantFrom('token' as const, 'txn' as const, 'run' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), seconds: fc.constantFrom(-600, -45, 10, 40, 200, 301) }) },
);

export interface Life {
  /** What a task may do at most when its first token does not say. */
  readonly ceiling: readonly JsonObject[] | undefined;
  /** Pairs of agents, by their index, of which the first may not hand on to the second. */
  readonly apart: readonly (readonly [number, number])[];
  /** Agents in a chain, at most. */
  readonly depth: number;
  readonly steps: readonly Step[];
}

export const life: fc.Arbitrary<Life> = fc.record({
  ceiling: fc.option(mandate, { nil: undefined, freq: 2 }),
  apart: fc.array(fc.tuple(agent, agent), { maxLength: 4 }),
  depth: fc.integer({ min: 1, max: 5 }),
  steps: fc.array(step, { minLength: 2, maxLength: 12, size: 'max' }),
});
