// What the control API answers about who administers, as far as the command line reads it.
import * as z from 'zod';
import { OPERATOR_ROLES } from '../domain/operators.ts';
import { ORDER_STATES } from '../store/ports.ts';

const role = z.enum(OPERATOR_ROLES);

const order = z.object({
  id: z.string(),
  rule: z.string(),
  route: z.string(),
  digest: z.string(),
  actor: z.string(),
  at: z.number(),
  expiresAt: z.number(),
  state: z.enum(ORDER_STATES),
  decidedBy: z.string().optional(),
});

const glass = z.object({
  id: z.string(),
  operator: z.string(),
  at: z.number(),
  until: z.number(),
  reason: z.string(),
  reviewedBy: z.string().optional(),
});

export const OPERATOR_REPLIES = {
  whoami: z.object({
    name: z.string(),
    spiffe_id: z.string(),
    expires_at: z.number(),
    role: role.nullable(),
    source: z.enum(['machine', 'config', 'invited']).nullable(),
  }),
  operators: z.object({
    items: z.array(z.object({ name: z.string(), role, source: z.enum(['machine', 'config', 'invited']), brokenGlass: z.boolean() })),
    broken_glass: z.array(glass),
  }),
  operator: z.object({ name: z.string(), role: role.optional(), removed: z.boolean().optional() }),
  invite: z.object({
    name: z.string(),
    role,
    link: z.string(),
    expires_at: z.number(),
    server: z.string(),
    trust: z.array(z.string()),
  }),
  orders: z.object({ items: z.array(order) }),
  order: order.extend({ result: z.record(z.string(), z.unknown()).optional() }),
  glass,
  reviewed: z.object({ id: z.string() }),
  login: z.object({ login: z.string(), code: z.string(), secret: z.string(), url: z.string(), expires_at: z.number() }),
  loginState: z.discriminatedUnion('state', [
    z.object({ state: z.literal('waiting') }),
    z.object({
      state: z.literal('done'),
      operator: z.string(),
      role: role.nullable(),
      svid: z.string(),
      expires_at: z.number(),
      control: z.string(),
      bundle: z.string(),
    }),
  ]),
} as const;
