// Who administers Cordon, and what each may do. A right is asked of a role here and nowhere else. INVARIANT I7

/** What an operator is. */
export const OPERATOR_ROLES = ['viewer', 'auditor', 'analyst', 'operator', 'admin'] as const;
export type OperatorRole = (typeof OPERATOR_ROLES)[number];

/**
 * By the role that something asks for, the roles that have it.
 * viewer looks; auditor looks and takes evidence; analyst contains and releases; operator also changes policy, tools, agents and runs;
 * admin also keys and operators.
 */
const HOLDERS: Readonly<Record<OperatorRole, readonly OperatorRole[]>> = {
  viewer: OPERATOR_ROLES,
  auditor: ['auditor', 'admin'],
  analyst: ['analyst', 'operator', 'admin'],
  operator: ['operator', 'admin'],
  admin: ['admin'],
};

/** Has somebody of role `has` what is reserved to `asked`? */
export const roleHolds = (has: OperatorRole, asked: OperatorRole): boolean => HOLDERS[asked].includes(has);

/** Orders that wait for a second person, where that rule is switched on. */
export const TWO_PERSON_RULES = ['ca', 'policy'] as const;
export type TwoPersonRule = (typeof TWO_PERSON_RULES)[number];
