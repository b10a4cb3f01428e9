// What routes take: the values that they have in common, and how what came is held against its schema.
import * as z from 'zod';
import { Refusal } from '../domain/refusal.ts';

const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** Is it a name that an agent, a resource, a segment or an operator can have? */
export const isName = (text: string): boolean => NAME.test(text);

export const NAME_FORM = 'lower case letters, digits and `-`, at most 63';

/** Of an agent, a resource, a segment or an operator. */
export const name = z.string().regex(NAME, NAME_FORM);

/** Of a run of this trust domain. */
export const runId = z.string().regex(/^[0-9A-Z]{4,32}$/, 'the id of a run: upper case letters and digits');

/** Why somebody does something; it stands in the log. */
export const reason = z.string('a reason; it stands in the log').trim().min(1, 'a reason; it stands in the log').max(500);

/** PKCS #10 in base64 (DER). */
export const csr = z.base64().max(16_384);

export const none = z.strictObject({});

/** @throws Refusal CORDON-9011 naming the first member that does not fit */
export function inputOf<S extends z.ZodType>(schema: S, value: unknown): z.infer<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const member = `\`${issue?.path.map(String).join('.') ?? ''}\``;
  throw new Refusal('CORDON-9011', `${member} does not fit`, { expected: issue?.message ?? 'something else', fix: `correct ${member}` });
}
