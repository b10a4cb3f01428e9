// What a route takes, held against its schema.
import type * as z from 'zod';
import { Refusal } from '../domain/refusal.ts';

/** @throws Refusal CORDON-9011 naming the first member that does not fit */
export function inputOf<S extends z.ZodType>(schema: S, value: unknown): z.infer<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new Refusal('CORDON-9011', `\`${issue?.path.map(String).join('.') ?? ''}\` does not fit: ${issue?.message ?? 'invalid'}`);
}
