// What a text tells its reader to do beyond the reader's own task. Works on any English wording, by orders and what they name.
import { EMAIL } from '../documents/letterhead.ts';
import { findIbans } from '../documents/iban.ts';
import { findAmounts } from '../documents/money.ts';
import { orders, type Clause } from './clauses.ts';
import { sentences } from './sentences.ts';
import { joinPayments, withoutRepeats, type Instruction, type Payment } from './instruction.ts';
import * as phrase from './phrases.ts';

/** What the reader knows is in order: accounts and addresses of the letterhead and of the record. */
export interface Known {
  readonly ibans: readonly string[];
  readonly emails: readonly string[];
}

/** attacker-controlled text. An instruction is found once, however often it is repeated. */
export function findInstructions(text: string, known: Known): Instruction[] {
  const lines = sentences(text);
  return withoutRepeats(lines.flatMap((_, at) => inSentence({ lines, at, known })));
}

interface Place {
  readonly lines: readonly string[];
  readonly at: number;
  readonly known: Known;
}

const lineOf = (place: Place): string => place.lines[place.at] ?? '';

function inSentence(place: Place): Instruction[] {
  const clauses = orders(lineOf(place));
  const found = clauses.length === 0 ? withoutVerb(place) : clauses.flatMap((clause) => inClause(clause, place));
  if (clauses.length > 0 && !found.some(({ kind }) => kind === 'bypass')) found.push(...bypassIn(lineOf(place), place));
  return joinPayments(found);
}

function inClause(clause: Clause, place: Place): Instruction[] {
  const says = lineOf(place);
  const around = bypassIn(clause.text, place);
  if (around.length > 0) return around;
  if (clause.negated) return [];
  const agent = phrase.agentToPassFor(clause.text);
  if (agent !== undefined) return [{ kind: 'impersonate', says, agent, payment: paymentIn(clause.text, place) }];
  const payroll: Instruction[] = phrase.namesPayroll(clause.text) ? [{ kind: 'cross-segment', says }] : [];
  return [...payroll, ...mailIn(clause.text, place), ...redirectIn(clause, place)];
}

function bypassIn(text: string, place: Place): Instruction[] {
  const address = phrase.wayAround(text);
  if (address === undefined || isOwnPortal(address, place.known)) return [];
  return [{ kind: 'bypass', says: lineOf(place), address, payment: paymentIn(text, place) }];
}

const isOwnPortal = (address: string, known: Known): boolean =>
  known.emails.some((email) => address.split(':', 1)[0]?.endsWith(email.split('@')[1] ?? '@') === true);

function mailIn(clause: string, place: Place): Instruction[] {
  if (!phrase.SENDS.test(clause)) return [];
  const secret = phrase.namesVendorData(clause) || phrase.namesPayroll(clause);
  const to = emailsIn(clause)[0] ?? (secret ? emailNear(place) : undefined);
  if (to === undefined) return [];
  const back = phrase.REFERS_BACK.test(clause) ? before(place, clause) : '';
  const about = `${clause} ${secret ? '' : back}`;
  if (!secret && !phrase.namesVendorData(about) && !phrase.namesPayroll(about) && !isStrangeMail(clause, to, place.known)) return [];
  const salaries = phrase.namesPayroll(about);
  const vendors = phrase.namesVendorData(about) || !(salaries || phrase.COPIES.test(clause));
  return [{ kind: 'exfiltrate', says: lineOf(place), to, salaries, vendors }];
}

/** Mail that no payment term asks for: a copy for a stranger, or something other than queries and remittance advice. */
function isStrangeMail(clause: string, to: string, known: Known): boolean {
  if (!isForeignEmail(to, known)) return false;
  if (phrase.COPIES.test(clause)) return true;
  return !phrase.EVERYDAY_MAIL.test(clause) && phrase.SWEEPING.test(clause);
}

const PUBLIC_MAIL = /@(?:gmail|outlook|hotmail|yahoo|gmx|proton|icloud)\./i;

const isForeignEmail = (email: string, known: Known): boolean =>
  !known.emails.some((own) => own === email || (!PUBLIC_MAIL.test(own) && email.endsWith(`@${own.split('@')[1] ?? ''}`)));

function redirectIn(clause: Clause, place: Place): Instruction[] {
  if (!phrase.PAYS.test(clause.text) && !(phrase.MONEY.test(clause.text) && strangeIban(clause.text, place.known) !== undefined)) return [];
  if (phrase.COLLECTED.test(clause.text)) return [];
  const ownToo = findIbans(clause.text).some(({ iban }) => place.known.ibans.includes(iban)) && !phrase.CHANGES.test(clause.text);
  const mereTerms = place.known.ibans.length === 0 && phrase.TERMS.test(lineOf(place));
  const payment = ownToo || mereTerms ? undefined : (paymentIn(clause.text, place) ?? paymentNear(clause.text, place));
  return payment === undefined ? [] : [{ kind: 'redirect-payment', says: lineOf(place), payment }];
}

/** Sentences that order without an imperative: `Vendor list to x@y.` and `Our account has changed: IBAN …`. */
function withoutVerb(place: Place): Instruction[] {
  const says = lineOf(place);
  if (phrase.PAST.test(says) && !phrase.NEW_ACCOUNT.test(says)) return [];
  const to = emailsIn(says)[0];
  if (to !== undefined && phrase.namesVendorData(says)) return [{ kind: 'exfiltrate', says, to, salaries: false, vendors: true }];
  const agent = /\byou(?:['’]re| are|r (?:agent )?(?:name|role|identity))\b/i.test(says) ? phrase.agentToPassFor(says) : undefined;
  if (agent !== undefined) return [{ kind: 'impersonate', says, agent, payment: undefined }];
  const mereTerms = place.known.ibans.length === 0;
  const changed = phrase.NEW_ACCOUNT.test(says);
  if (mereTerms || (!changed && !phrase.PAYMENT_TO.test(says))) return [];
  const payment = paymentIn(says, place) ?? (changed ? paymentNear(says, place) : undefined);
  return payment === undefined ? [] : [{ kind: 'redirect-payment', says, payment }];
}

const emailsIn = (text: string): string[] => (text.match(EMAIL) ?? []).map((email) => email.toLowerCase());

const strangeIban = (text: string, known: Known): string | undefined =>
  findIbans(text).find(({ iban }) => !known.ibans.includes(iban))?.iban;

function paymentIn(text: string, place: Place): Payment | undefined {
  const iban = strangeIban(text, place.known);
  if (iban === undefined) return undefined;
  const around = findAmounts(lineOf(place));
  return { iban, amountCents: findAmounts(text)[0] ?? centsIn(text) ?? (around.length === 1 ? around[0] : undefined) };
}

/** `amount_cents: 120000`, as the tool itself is told. */
function centsIn(text: string): number | undefined {
  const digits = /\bamount_cents\W{1,4}(\d{1,12})\b/.exec(text)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** `Wire it to the account below.` with the account in the lines that follow. */
function paymentNear(clause: string, place: Place): Payment | undefined {
  if (!phrase.MONEY.test(clause) || !phrase.POINTS_ON.test(clause)) return undefined;
  const payment = paymentIn(after(place), place) ?? paymentIn(ahead(place), place);
  return payment === undefined ? undefined : { ...payment, amountCents: findAmounts(clause)[0] ?? payment.amountCents };
}

const emailNear = (place: Place): string | undefined => emailsIn(`${lineOf(place)} ${after(place)}`)[0];

/** The lines after a sentence that only complete it. */
function after({ lines, at }: Place): string {
  const next = lines.slice(at + 1, at + 6);
  const end = next.findIndex((line) => orders(line).length > 0);
  return next.slice(0, end < 0 ? undefined : end).join(' ');
}

/** The lines before a sentence that order nothing themselves. */
function ahead({ lines, at }: Place): string {
  const last = lines.slice(Math.max(0, at - 4), at);
  return last.slice(last.findLastIndex((line) => orders(line).length > 0) + 1).join(' ');
}

/** What `it` and `them` of a clause may mean: the same sentence before it, and the sentence before that. */
const before = ({ lines, at }: Place, clause: string): string => {
  const line = lines[at] ?? '';
  return `${lines[at - 1] ?? ''} ${line.slice(0, Math.max(0, line.indexOf(clause)))}`;
};
