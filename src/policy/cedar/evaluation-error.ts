// What can go wrong while a Cedar expression is evaluated. An error makes the policy skipped (Cedar's semantics); it never leaves the
// evaluator as anything but the id of the policy and this.

export type EvaluationKind =
  | 'type' // an operand of another type
  | 'overflow' // beyond 64 bits
  | 'attribute' // no such attribute
  | 'tag' // no such tag
  | 'entity' // no such entity
  | 'extension' // a text that the extension type does not accept
  | 'arity' // another number of operands
  | 'unlinked'; // a slot without a value

/** The message holds names and types, never a value of the request. INVARIANT I8 */
export class EvaluationError extends Error {
  override readonly name = 'EvaluationError';
  readonly kind: EvaluationKind;

  constructor(kind: EvaluationKind, message: string) {
    super(message);
    this.kind = kind;
  }
}
