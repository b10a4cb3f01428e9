// Requests with the answer that they must get: what the corpus and the random policy sets have in common.
import type { Json, JsonObject } from '../src/domain/json.ts';
import type { Request as CompiledRequest } from '../src/policy/cedar/compiled-set.ts';
import type { EntityRecord } from '../src/policy/cedar/entity.ts';
import type { EntityView } from '../src/policy/cedar/entities.ts';
import type { EstPolicy } from '../src/policy/cedar/est.ts';
import type { CedarRecord, EntityUid } from '../src/policy/cedar/value.ts';
import type { Engine } from './engine.ts';

export interface Uid {
  readonly type: string;
  readonly id: string;
}

export interface ParsedPolicy {
  readonly id: string;
  readonly est: EstPolicy;
  /** Of a linked template, by slot. */
  readonly slots?: Readonly<Record<string, Uid>>;
}

export interface Request {
  readonly principal: Uid;
  readonly action: Uid;
  readonly resource: Uid;
  readonly context: JsonObject;
}

export interface Answer {
  readonly allowed: boolean;
  /** Ids of the policies that decide, and of those that fail to evaluate. */
  readonly reasons: readonly string[];
  readonly errors: readonly string[];
}

/** What requests are decided by. */
export interface Situation {
  readonly policies: readonly ParsedPolicy[];
  /** In JSON form; undefined: entities and contexts are read as they stand. */
  readonly schema?: unknown;
  readonly entities: Json;
}

export interface DecisionCase extends Situation {
  readonly name: string;
  readonly requests: readonly (Request & { readonly expected: Answer })[];
}

/** What is wrong with the answer to each request, undefined where nothing is. What cannot be evaluated is wrong. */
export function problemsOf(engine: Engine, { requests, ...situation }: DecisionCase): readonly (string | undefined)[] {
  try {
    const decide = deciderOf(engine, situation);
    return requests.map((request) => problemIn(request.expected, () => decide(request)));
  } catch (error) {
    return requests.map(() => `not evaluated: ${String(error)}`);
  }
}

export function problemIn(expected: Answer, answer: () => Answer): string | undefined {
  try {
    return differenceOf(expected, answer());
  } catch (error) {
    return `not evaluated: ${String(error)}`;
  }
}

/**
 * The answers of Cordon's evaluator. Policies and entities come with a history: what they are in the end must not depend on it.
 * @throws Error for what it does not accept
 */
export function deciderOf(engine: Engine, { policies, schema, entities }: Situation): (request: Request) => Answer {
  const draft = new SetDraft(engine, policies);
  const typed = schema === undefined ? undefined : new engine.CedarSchema(schema);
  const store = typed?.entitiesFromJson(entities) ?? storeOf(engine, engine.entitiesFromJson(entities));
  return (asked) => {
    const request = requestOf(engine, asked, (action) => typed?.contextFromJson(action, asked.context));
    typed?.validateRequest(request);
    const { allowed, reasons, errors } = engine.authorize(draft.settled(request, store), request, store);
    return { allowed, reasons, errors: errors.map(({ policy }) => policy) };
  };
}

/** The request as the evaluator takes it; its context read by `typed`, where that reads it. */
export function requestOf(
  engine: Engine,
  { principal, action: { type, id }, resource, context }: Request,
  typed: (action: EntityUid) => CedarRecord | undefined = () => undefined,
): CompiledRequest {
  const action = engine.uid(type, id);
  return {
    principal: engine.uid(principal.type, principal.id),
    action,
    resource: engine.uid(resource.type, resource.id),
    context: typed(action) ?? engine.contextFromJson(context),
  };
}

/** A set of policies that decides once with more policies than it has in the end, and with fewer: nothing of that may be remembered. */
class SetDraft {
  readonly #set: InstanceType<Engine['CompiledSet']>;
  readonly #engine: Engine;
  #waiting: readonly ParsedPolicy[];

  constructor(engine: Engine, policies: readonly ParsedPolicy[]) {
    this.#set = new engine.CompiledSet();
    this.#engine = engine;
    this.#waiting = policies;
    for (const [at, policy] of policies.entries()) {
      this.#add(policy, twinOf(policy));
      if (at % 3 !== 0) this.#add(policy);
    }
  }

  settled(request: CompiledRequest, store: EntityView): InstanceType<Engine['CompiledSet']> {
    const policies = this.#waiting;
    if (policies.length === 0) return this.#set;
    this.#waiting = [];
    const steps = [
      () => policies.forEach((policy) => this.#set.remove(twinOf(policy))),
      () => policies.filter((_, at) => at % 3 === 0).forEach((policy) => this.#add(policy)),
    ];
    for (const step of policies.length % 2 === 0 ? steps : steps.toReversed()) {
      this.#engine.authorize(this.#set, request, store);
      step();
    }
    return this.#set;
  }

  #add({ id, est, slots }: ParsedPolicy, name = id): void {
    if (slots === undefined) this.#set.add(name, est);
    else this.#set.addLinked(name, est, new Map(Object.entries(slots).map(([slot, one]) => [slot, this.#engine.uid(one.type, one.id)])));
  }
}

const twinOf = ({ id }: ParsedPolicy): string => `twin of ${id}`;

/** Some of the entities come later, some were others before, some that were there are gone, some come with the request. */
export function storeOf(engine: Engine, records: readonly EntityRecord[]): EntityView {
  const keys = new Set(records.map(({ uid }) => uid.key));
  const roots = records.filter(({ parents }) => parents.length === 0);
  const rootUids = roots.map(({ uid }) => uid);
  const own = roots.filter((_, at) => at % 3 === 1);
  const stored = records.filter((record) => !own.includes(record));
  const early = stored.flatMap((record, at) =>
    roots.includes(record) ? [bare(record)] : (FORMER[at % FORMER.length]?.(record, rootUids) ?? []),
  );
  const gone = new Map(records.flatMap(({ parents }) => parents.filter(({ key }) => !keys.has(key)).map((uid) => [uid.key, uid])));
  const leaving = Array.from(gone.values(), (uid) => ({ ...bare({ uid }), parents: rootUids }));
  const before = engine.Entities.of([...early, ...leaving]);
  const store = before.with(stored, gone.values());
  return new engine.Overlay(store, [...own, ...stored.slice(0, 1).map(bare)]);
}

/** What an entity that is not a root was before. */
const FORMER: readonly ((record: EntityRecord, roots: readonly EntityUid[]) => readonly EntityRecord[])[] = [
  (record) => [record],
  () => [],
  (record) => [bare(record)],
  (record) => [{ ...record, parents: [] }],
  (record) => [record],
  (record, roots) => [{ ...record, parents: [...record.parents.slice(1), ...roots.slice(0, 1)] }],
];

/** Without attributes and tags. */
const bare = <T extends object>(record: T): T & Pick<EntityRecord, 'attrs' | 'tags'> => ({ ...record, attrs: new Map(), tags: new Map() });

/** Decision, set of reasons, set of errors; an id twice in a list is wrong too. */
export function differenceOf(expected: Answer, got: Answer): string | undefined {
  const [wanted, had] = [drawn(expected), drawn(got)];
  return wanted === had ? undefined : `expected ${wanted}, got ${had}`;
}

const drawn = ({ allowed, reasons, errors }: Answer): string =>
  `${allowed ? 'allow' : 'deny'} by [${reasons.toSorted().join(', ')}], errors in [${errors.toSorted().join(', ')}]`;
