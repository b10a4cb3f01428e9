// Every policy gets a name of its own and a form that can be followed; what its annotations promise is held to or refused.
import type { EntityUidJson, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { CODES, type Code, isCode, type Kind } from '../domain/codes.ts';
import { MAX_CLAUSES } from './bounds.ts';
import { clausesOf } from './clauses.ts';
import type { Engine } from './engine.ts';
import { type Finding, lineOf, refuseAny } from './findings.ts';
import { GUARDRAILS, RESERVED_PREFIX } from './guardrails.ts';
import type { Policy } from './loaded.ts';
import { GROUPS } from './methods.ts';
import type { PolicyWarning } from './policy-set.ts';
import type { Statement } from './statements.ts';

export interface Identified {
  readonly policy: Policy;
  readonly statement: Statement;
  /** Does its scope list actions, none of them a group? If it can never apply, a name in it is misspelt. */
  readonly namesActions: boolean;
}

type Problem = Pick<Finding, 'message' | 'help'>;

/** An id is shown in terminals, logs and denials, and typed into commands. */
const ID = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$/;
/** A policy speaks of what policy may ask for; it cannot pose as a failure of identity or of the system. */
const CODE_KINDS: ReadonlySet<Kind> = new Set(['policy', 'containment', 'access', 'delegation']);

/** The policies, in order. @throws Refusal CORDON-9006 with every problem found, @throws Error when the engine fails */
export function identify(statements: readonly Statement[], engine: Engine): readonly Identified[] {
  const policies = new Map<string, Identified>();
  const findings: Finding[] = [];
  for (const statement of statements) {
    const parsed = engine.parse(statement.text);
    if ('effect' in parsed) {
      const identified = identifiedOf(statement, parsed);
      const { id } = identified.policy;
      const problem = problemOf(identified) ?? takenBy(policies.get(id));
      if (problem !== undefined) findings.push({ ...headOf(statement), ...problem });
      policies.set(id, identified);
    } else {
      findings.push(
        ...parsed.map(({ at, length, message, help }) => ({
          source: statement.source,
          at: statement.at + at,
          length,
          message,
          help,
        })),
      );
    }
  }
  refuseAny(findings);
  return [...policies.values()];
}

function identifiedOf(statement: Statement, parsed: PolicyJson): Identified {
  const annotations = annotationsOf(parsed);
  const source = lineOf(statement.source, statement.at);
  const { id = '', code = '' } = annotations;
  const policy = {
    id,
    effect: parsed.effect,
    source,
    annotations,
    text: statement.text,
    clauses: clausesOf(statement),
    code: codeOf(code),
  };
  return { policy, statement, namesActions: namesActions(parsed) };
}

function annotationsOf(parsed: PolicyJson): Record<string, string> {
  // `@flag` without a value is null in the engine's JSON, whatever its types say
  const all: readonly (readonly [string, unknown])[] = Object.entries(parsed.annotations ?? {});
  return Object.fromEntries(all.map(([name, value]) => [name, typeof value === 'string' ? value : '']));
}

function namesActions({ action }: PolicyJson): boolean {
  if (action.op === 'All' || 'slot' in action) return false;
  const listed = 'entities' in action ? action.entities : [action.entity];
  return listed.every((one) => !GROUPS.some((group) => group === idIn(one)));
}

/** The engine writes an entity of a scope plainly or escaped. */
function idIn(one: EntityUidJson): string {
  if ('id' in one) return one.id;
  const { __entity: escaped } = one;
  return escaped.id;
}

function problemOf({ policy: { id, annotations, clauses }, statement }: Identified): Problem | undefined {
  if (annotations['id'] === undefined) return { message: 'the policy has no `@id`', help: 'begin it with `@id("a-name-of-its-own")`' };
  if (!ID.test(id)) return { message: 'the `@id` is not a name', help: 'use letters, digits, `.`, `_`, `/` and `-`, at most 100' };
  if (id.startsWith(RESERVED_PREFIX) && statement.source !== GUARDRAILS)
    return { message: `ids that begin with \`${RESERVED_PREFIX}\` are guardrails` };
  if (clauses.length > MAX_CLAUSES)
    return { message: `the policy has more than ${MAX_CLAUSES} clauses`, help: 'write it as several policies' };
  const mode = annotations['mode'];
  // silence would enforce what its author believes to be only watched
  if (mode !== undefined && mode !== 'enforce')
    return { message: `\`@mode("${mode}")\` is not supported`, help: 'leave it out: every policy enforces' };
  return undefined;
}

const takenBy = (twin: Identified | undefined): Problem | undefined =>
  twin && { message: `the \`@id\` is taken by the policy at ${twin.policy.source}` };

const codeOf = (code: string): Code => (isCode(code) && CODE_KINDS.has(CODES[code].kind) ? code : 'CORDON-3002');

/** The first line of the policy. */
const headOf = ({ source, at, text }: Statement): Pick<Finding, 'source' | 'at' | 'length'> => ({
  source,
  at,
  length: text.split('\n', 1)[0]?.length ?? 1,
});

/** `@code`s that were not taken. */
export function codeWarnings(identified: readonly Identified[]): readonly PolicyWarning[] {
  return identified.flatMap(({ policy: { id, source, annotations, code } }) =>
    annotations['code'] === undefined || annotations['code'] === code
      ? []
      : [{ policy: id, source, message: `\`@code\` is none that a policy can give: ${code} stands in` }],
  );
}
