// Routes of orders that wait for a second person, over all other routes. INVARIANT I7
import * as z from 'zod';
import type { JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { parseSpiffeId, parseWorkload } from '../domain/spiffe-id.ts';
import type { SvidFacts } from '../identity/svid.ts';
import { checkRole } from './caller.ts';
import type { Control } from './control.ts';
import { none } from './input.ts';
import type { OrderView } from './operators/held-orders.ts';
import { route, type Asked, type RouteRow } from './route.ts';

const orderId = z.strictObject({ id: z.string().regex(/^ord_[0-9A-Z]{10}$/, 'an order as `cordon order list` shows it') });
type OrderId = z.infer<typeof orderId>;

/** `rows`: the routes whose orders may wait. */
export const orderRoutes = (rows: readonly RouteRow[]): readonly RouteRow[] => [
  route(['GET', '/v1/orders', 'viewer'], none, async ({ control }) => ({
    schema: 'cordon.orders/v1',
    items: (await control.operators.orders.list()).map((order) => ({ ...order })),
  })),
  route(['POST', '/v1/orders/:id/approve', 'viewer'], orderId, (asked) => approve(rows, asked)),
  route(['POST', '/v1/orders/:id/refuse', 'viewer'], orderId, (asked) => refuse(rows, asked)),
];

/** The answer of a route whose order waits now, or undefined when it is to be carried out. */
export async function holdFor(control: Control, row: RouteRow, caller: SvidFacts, input: JsonObject): Promise<JsonObject | undefined> {
  const { orders, directory } = control.operators;
  if (row.second === undefined || !orders.needs(row.second) || directory.actsAlone(caller.workload.name)) return undefined;
  const held = await orders.hold({ rule: row.second, route: `${row.method} ${row.path}`, input, actor: caller.workload.id });
  return orderReply(held);
}

const orderReply = (order: OrderView, result?: JsonObject): JsonObject => ({
  schema: 'cordon.order/v1',
  ...order,
  ...(result === undefined ? {} : { result }),
});

/** Carries out what was ordered, in the name of who ordered it; both names are in the log. @throws Refusal CORDON-1012, -1014 */
async function approve(rows: readonly RouteRow[], { control, caller, input }: Asked<OrderId>): Promise<JsonObject> {
  const { orders, directory } = control.operators;
  const row = await rowOf(rows, { control, caller, input });
  const approved = await orders.approve(input.id, caller.workload.id);
  const ordered = { ...caller, workload: parseWorkload(parseSpiffeId(approved.order.actor)) };
  checkRole(ordered, row.role, (operator) => directory.roleOf(operator)); // who lost the right meanwhile orders nothing any more
  return orderReply(approved.order, await row.handle(control, ordered, approved.input));
}

async function refuse(rows: readonly RouteRow[], { control, caller, input }: Asked<OrderId>): Promise<JsonObject> {
  await rowOf(rows, { control, caller, input });
  return orderReply(await control.operators.orders.refuse(input.id, caller.workload.id));
}

/** The route that an order is for; who decides on it needs the role that the route asks for. */
async function rowOf(rows: readonly RouteRow[], { control, caller, input: { id } }: Asked<OrderId>): Promise<RouteRow> {
  const { orders, directory } = control.operators;
  const { route: ordered } = await orders.get(id);
  const row = rows.find(({ method, path }) => `${method} ${path}` === ordered);
  if (row === undefined) throw new Refusal('CORDON-3008', 'what was ordered is not known any more', { observed: ordered });
  checkRole(caller, row.role, (operator) => directory.roleOf(operator));
  return row;
}
