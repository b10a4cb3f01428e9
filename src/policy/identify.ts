// Every policy gets a name of its own and a form that can be followed; what its annotations promise is held to or refused.
import { APPROVER_ROLES, type ApproverRole, type Mode } from '../domain/access.ts';
import { CODES, type Code, isCode, type Kind } from '../domain/codes.ts';
import { MAX_CLAUSES } from './bounds.ts';
import type { EstPolicy } from './cedar/est.ts';
import { uidIn } from './cedar/scope.ts';
import { clausesOf, unreadable, withClauses } from './clauses.ts';
import { type Finding, refuseAny } from './findings.ts';
import { GUARDRAILS, RESERVED_PREFIX } from './guardrails.ts';
import type { Policy } from './loaded.ts';
import type { Flaw, RuleId } from './lint/rules.ts';
import { GROUPS } from './methods.ts';
import type { PolicyWarning } from './policy-set.ts';
import { principalIn } from './principal-text.ts';
import { principalOf } from './principals.ts';
import type { Statement } from './statements.ts';

/** A policy with its name. */
export interface Named {
  readonly policy: Policy;
  readonly statement: Statement;
  /** Does its scope list actions, none of them a group? If it can never apply, a name in it is misspelt. */
  readonly namesActions: boolean;
}

type Problem = Pick<Finding, 'message' | 'help'> & { readonly rule: RuleId };

/** An id is shown in terminals, logs and denials, and typed into commands. */
const ID = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$/;
/** A policy speaks of what policy may ask for; it cannot pose as a failure of identity or of the system. */
const CODE_KINDS: ReadonlySet<Kind> = new Set(['policy', 'containment', 'access', 'delegation']);

export interface Identified extends Named {
  /** One condition for each clause of the policy that is none of the scope. */
  readonly est: EstPolicy;
}

/** A statement as the engine parsed it. */
export interface Parsed {
  readonly statement: Statement;
  readonly est: EstPolicy;
}

/** The policies, in order. @throws Refusal CORDON-9006 with every problem found */
export function identify(parsed: readonly Parsed[]): readonly Identified[] {
  const { policies, flaws } = identified(parsed);
  refuseAny(flaws);
  return policies;
}

export interface IdentifiedAll {
  readonly policies: readonly Identified[];
  readonly flaws: readonly Flaw[];
}

/** The same with what is wrong beside it; of policies with one name, each is there. @throws Refusal CORDON-9006 for one that cannot be followed */
export function identified(parsed: readonly Parsed[]): IdentifiedAll {
  const policies = parsed.map(identifiedOf);
  return { policies, flaws: [...policies.flatMap(flawsOf), ...twinsIn(policies)] };
}

/** What is wrong with one policy by itself. */
export function flawsOf(one: Named): readonly Flaw[] {
  const problem = problemOf(one);
  return problem === undefined ? [] : [flaw(one, problem)];
}

/** Policies whose name an earlier one has. */
export function twinsIn(policies: Iterable<Named>): readonly Flaw[] {
  const taken = new Map<string, Named>();
  const flaws: Flaw[] = [];
  for (const one of policies) {
    const { id } = one.policy;
    const twin = taken.get(id);
    if (twin === undefined) taken.set(id, one);
    else if (id !== '') flaws.push(flaw(one, takenBy(twin)));
  }
  return flaws;
}

const flaw = ({ policy: { id }, statement }: Named, problem: Problem): Flaw => ({
  ...headOf(statement),
  policy: id === '' ? undefined : id,
  ...problem,
});

/** @throws Refusal CORDON-9006 for one that cannot be followed */
export function identifiedOf({ statement, est }: Parsed, order: number): Identified {
  const principal = principalOf(est.principal);
  // INVARIANT: it was validated as what it is compiled as
  if (principal !== principalIn(statement)) throw unreadable(statement, 'whom it is about cannot be read');
  const annotations = annotationsOf(est);
  const { id = '', code = '' } = annotations;
  const clauses = clausesOf(statement);
  const policy = {
    id,
    order,
    effect: est.effect,
    source: `${statement.source.path}:${statement.line}`,
    annotations,
    text: statement.text,
    clauses: [...clauses.scope, ...clauses.conditions.flat()],
    code: codeOf(code),
    mode: modeOf(annotations['mode']) ?? 'enforce',
    principal,
    approval: annotations['approval'] === undefined ? undefined : (approverOf(annotations['approval']) ?? 'admin'),
  };
  return { policy, est: withClauses(est, clauses, statement), statement, namesActions: namesActions(est) };
}

const MODES: readonly Mode[] = ['enforce', 'shadow'];
const modeOf = (text: string | undefined): Mode | undefined => MODES.find((mode) => mode === text);

/** `@approval` alone asks for an operator. */
const approverOf = (text: string): ApproverRole | undefined => APPROVER_ROLES.find((role) => role === (text === '' ? 'operator' : text));

/** `@flag` without a value is null in the engine's JSON. */
const annotationsOf = ({ annotations = {} }: EstPolicy): Record<string, string> =>
  Object.fromEntries(Object.entries(annotations).map(([name, value]) => [name, value ?? '']));

function namesActions({ action }: EstPolicy): boolean {
  if (action.op === 'All' || action.op === 'is' || 'slot' in action) return false;
  const listed = 'entities' in action ? action.entities : [action.entity];
  return listed.map(uidIn).every(({ id }) => !GROUPS.some((group) => group === id));
}

function problemOf({ policy: { id, annotations, clauses }, statement }: Named): Problem | undefined {
  if (annotations['id'] === undefined)
    return { rule: 'missing-id', message: 'the policy has no `@id`', help: 'begin it with `@id("a-name-of-its-own")`' };
  if (!ID.test(id))
    return { rule: 'invalid-id', message: 'the `@id` is not a name', help: 'use letters, digits, `.`, `_`, `/` and `-`, at most 100' };
  if (id.startsWith(RESERVED_PREFIX) && statement.source !== GUARDRAILS)
    return { rule: 'invalid-id', message: `ids that begin with \`${RESERVED_PREFIX}\` are guardrails` };
  if (clauses.length > MAX_CLAUSES)
    return { rule: 'too-many-clauses', message: `the policy has more than ${MAX_CLAUSES} clauses`, help: 'write it as several policies' };
  const mode = annotations['mode'];
  // silence would enforce what its author believes to be only watched
  if (mode !== undefined && modeOf(mode) === undefined)
    return {
      rule: 'unsupported-mode',
      message: 'the `@mode` is not known',
      help: 'write `enforce`, `shadow`, or leave it out: then it enforces',
    };
  const { approval } = annotations;
  if (approval !== undefined && approverOf(approval) === undefined)
    return {
      rule: 'unsupported-approval',
      message: 'the `@approval` is not known',
      help: 'write `@approval`, or the least role that may approve: `analyst`, `operator` or `admin`',
    };
  return undefined;
}

const takenBy = (twin: Named): Problem => ({
  rule: 'duplicate-id',
  message: `the \`@id\` is taken by the policy at ${twin.policy.source}`,
});

const codeOf = (code: string): Code => (isCode(code) && CODE_KINDS.has(CODES[code].kind) ? code : 'CORDON-3002');

/** The first line of the policy. */
const headOf = ({ source, at, text }: Statement): Pick<Finding, 'source' | 'at' | 'length'> => ({
  source,
  at,
  length: text.split('\n', 1)[0]?.length ?? 1,
});

/** `@code`s that were not taken. */
export function codeWarnings(policies: readonly Named[]): readonly PolicyWarning[] {
  return policies.flatMap(({ policy: { id, source, annotations, code } }) =>
    annotations['code'] === undefined || annotations['code'] === code
      ? []
      : [{ policy: id, source, message: `\`@code\` is none that a policy can give: ${code} stands in` }],
  );
}
