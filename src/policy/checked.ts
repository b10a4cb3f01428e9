// The policies of a set parsed and strictly validated, each against the schema of those it speaks of.
import { type CheckedPolicy, checkEach, type Validation } from './admission.ts';
import { principalIn } from './principal-text.ts';
import { GROUP_TYPE, PRINCIPAL_TYPES, PRINCIPALS } from './principals.ts';
import type { Catalog } from './schema/catalog.ts';
import { schemaText } from './schema/schema.ts';
import type { Statement } from './statements.ts';

/** `take` is handed each policy with its index, in any order; issues go by it too. @throws Refusal CORDON-9006, and all else, as `checkEach` */
export async function checkStatements(
  statements: readonly Statement[],
  catalog: Catalog,
  take: (at: number, policy: CheckedPolicy) => void,
): Promise<Validation> {
  const kinds = Map.groupBy(statements.keys(), (at) => principalIn(statements[at] ?? { tokens: [] }));
  const found: Validation[] = [];
  for (const principal of PRINCIPALS) {
    const places = kinds.get(principal) ?? [];
    if (places.length === 0) continue;
    const placeOf = (index: number): number => places[index] ?? -1;
    const texts = places.map((at) => statements[at]?.text ?? '');
    const { errors, warnings } = await checkEach(texts, schemaText(catalog, principal), (index, policy) => take(placeOf(index), policy));
    const placed = (issues: Validation['errors']): Validation['errors'] =>
      issues.map((issue) => ({ ...issue, ...(USERS.test(issue.message) ? ABOUT_AGENTS : {}), policy: placeOf(issue.policy) }));
    found.push({ errors: placed(errors), warnings: placed(warnings) });
  }
  const inOrder = (issues: Validation['errors']): Validation['errors'] => issues.toSorted((a, b) => a.policy - b.policy || a.at - b.at);
  return { errors: inOrder(found.flatMap(({ errors }) => errors)), warnings: inOrder(found.flatMap(({ warnings }) => warnings)) };
}

/** Only an agents' policy does not know them. */
const USERS = new RegExp(`^unrecognized entity type \`(?:${PRINCIPAL_TYPES.user}|${GROUP_TYPE})\``);
const ABOUT_AGENTS = { help: 'a policy is about users only if its scope says so: `principal is User`, `principal in Group::"…"`' };
