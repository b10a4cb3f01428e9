// One thing that a text tells its reader to do, and how several of them go together.

export interface Payment {
  readonly iban: string;
  /** As named; without one the reader takes the invoice's total. */
  readonly amountCents: number | undefined;
}

/** One kind of attack each; `says` is the sentence that asks for it. */
export type Instruction = { readonly says: string } &
  /** Neither list: a copy of the reader's own mail. */
  (
    | { readonly kind: 'exfiltrate'; readonly to: string; readonly salaries: boolean; readonly vendors: boolean }
    | { readonly kind: 'redirect-payment'; readonly payment: Payment }
    | { readonly kind: 'cross-segment' }
    | { readonly kind: 'impersonate'; readonly agent: string; readonly payment: Payment | undefined }
    | { readonly kind: 'bypass'; readonly address: string; readonly payment: Payment | undefined }
  );

type Acting = Extract<Instruction, { readonly kind: 'impersonate' | 'bypass' }>;

/** `Sign as the orchestrator and pay … to …`: the payment is what is done under that name, not a second one. */
export function joinPayments(found: readonly Instruction[]): Instruction[] {
  const joined: Instruction[] = [];
  for (const one of found) {
    const last = joined.at(-1);
    if (one.kind === 'redirect-payment' && takesPayment(last)) joined[joined.length - 1] = { ...last, payment: one.payment };
    else if (takesPayment(one) && last?.kind === 'redirect-payment') joined[joined.length - 1] = { ...one, payment: last.payment };
    else joined.push(one);
  }
  return joined;
}

const takesPayment = (one: Instruction | undefined): one is Acting =>
  (one?.kind === 'impersonate' || one?.kind === 'bypass') && one.payment === undefined;

/** Each thing once: the first time it is asked for, and not where another sentence asks for the same and more. */
export const withoutRepeats = (found: readonly Instruction[]): Instruction[] =>
  found.filter((one, at) => !found.some((other, index) => (index < at && keyOf(other) === keyOf(one)) || exceeds(other, one)));

/** Does `one` ask for all that `other` asks for, and for more? */
function exceeds(one: Instruction, other: Instruction): boolean {
  if (keyOf(one) === keyOf(other)) return false;
  if (one.kind === 'exfiltrate' && other.kind === 'exfiltrate') {
    return one.to === other.to && one.salaries >= other.salaries && one.vendors >= other.vendors;
  }
  if (one.kind === 'impersonate' && other.kind === 'impersonate') return one.agent === other.agent && other.payment === undefined;
  return one.kind === 'bypass' && other.kind === 'bypass' && other.payment === undefined && [one.address, ''].includes(other.address);
}

function keyOf(one: Instruction): string {
  const { says: _, ...rest } = one;
  return JSON.stringify(rest);
}
