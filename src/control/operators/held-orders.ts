// The two-person rule: an order of a kind that needs two waits, sealed, until another operator with the same right approves it. What is
// carried out is what was ordered, bit for bit. INVARIANT I7
import { sha256Hex } from '../../crypto/hash.ts';
import { randomId } from '../../crypto/random.ts';
import type { Sealer } from '../../crypto/seal.ts';
import { isJsonObject, parseJson, writeJson, type JsonObject } from '../../domain/json.ts';
import type { TwoPersonRule } from '../../domain/operators.ts';
import { Refusal } from '../../domain/refusal.ts';
import { parseSpiffeId, parseWorkload } from '../../domain/spiffe-id.ts';
import type { OrderRow, Store } from '../../store/ports.ts';
import { recordAct, type ActLog } from '../acts.ts';

/** How long an order waits. Milliseconds. */
const WAITS = 24 * 3_600_000;
/** As much as a route takes. */
const BOUNDS = { maxBytes: 33_554_432, maxDepth: 64 };

export interface HeldOrderParts extends ActLog {
  readonly rules: readonly TwoPersonRule[];
  readonly store: Pick<Store, 'addOrder' | 'order' | 'orders' | 'decideOrder'>;
  readonly sealer: Sealer;
}

/** An order without its input. */
export type OrderView = Omit<OrderRow, 'input'>;

/** An order that a second person approved, to be carried out now. */
export interface ApprovedOrder {
  readonly order: OrderView;
  readonly input: JsonObject;
}

export interface HeldOrders {
  /** Does an order of this kind wait for a second person? */
  needs(rule: TwoPersonRule): boolean;
  hold(order: {
    readonly rule: TwoPersonRule;
    readonly route: string;
    readonly input: JsonObject;
    readonly actor: string;
  }): Promise<OrderView>;
  /** Newest first. */
  list(): Promise<readonly OrderView[]>;
  /** @throws Refusal CORDON-1012 unknown */
  get(id: string): Promise<OrderView>;
  /** Takes an order that waits, in the name of another than who gave it. @throws Refusal CORDON-1012, -1014, -9006 */
  approve(id: string, actor: string): Promise<ApprovedOrder>;
  /** @throws Refusal CORDON-1012 */
  refuse(id: string, actor: string): Promise<OrderView>;
}

export const createHeldOrders = (parts: HeldOrderParts): HeldOrders => new SealedOrders(parts);

const viewOf = ({ input: _sealed, ...view }: OrderRow): OrderView => view;
const nameOf = (actor: string): string => parseWorkload(parseSpiffeId(actor)).name;

class SealedOrders implements HeldOrders {
  readonly #parts: HeldOrderParts;

  constructor(parts: HeldOrderParts) {
    this.#parts = parts;
  }

  needs(rule: TwoPersonRule): boolean {
    return this.#parts.rules.includes(rule);
  }

  async hold({ rule, route, input, actor }: Parameters<HeldOrders['hold']>[0]): Promise<OrderView> {
    const { store, sealer, now } = this.#parts;
    const id = `ord_${randomId(10)}`;
    const text = writeJson(input);
    const at = now();
    const row: OrderRow = {
      id,
      rule,
      route,
      input: sealer.seal(`order/${id}`, Buffer.from(text)),
      digest: sha256Hex(text),
      actor,
      at,
      expiresAt: at + WAITS,
      state: 'waiting',
    };
    this.#act(actor, 'order.hold', row);
    await store.addOrder(row);
    return viewOf(row);
  }

  async list(): Promise<readonly OrderView[]> {
    const { store, now } = this.#parts;
    const shown = (row: OrderRow): OrderView =>
      viewOf(row.state === 'waiting' && row.expiresAt <= now() ? { ...row, state: 'expired' } : row);
    return (await store.orders(100)).map(shown);
  }

  async get(id: string): Promise<OrderView> {
    return viewOf(await this.#waiting(id));
  }

  async approve(id: string, actor: string): Promise<ApprovedOrder> {
    const row = await this.#waiting(id);
    if (nameOf(row.actor) === nameOf(actor)) {
      throw new Refusal('CORDON-5008', 'nobody approves their own order', { fix: 'ask another operator: `cordon order approve`' });
    }
    const input = this.#open(row);
    await this.#decide(row, 'approved', actor);
    return { order: viewOf({ ...row, state: 'approved', decidedBy: actor }), input };
  }

  async refuse(id: string, actor: string): Promise<OrderView> {
    const row = await this.#waiting(id);
    await this.#decide(row, 'refused', actor);
    return viewOf({ ...row, state: 'refused', decidedBy: actor });
  }

  async #waiting(id: string): Promise<OrderRow> {
    const { store, now } = this.#parts;
    const row = await store.order(id);
    if (row?.state === 'waiting' && row.expiresAt > now()) return row;
    throw new Refusal('CORDON-1012', `no order \`${id}\` waits`, {
      observed: row === undefined ? 'unknown' : row.state === 'waiting' ? 'expired' : row.state,
      fix: 'see which do: `cordon order list`',
    });
  }

  /** Of two who decide at once, one does. */
  async #decide(row: OrderRow, state: 'approved' | 'refused', actor: string): Promise<void> {
    this.#act(actor, state === 'approved' ? 'order.approve' : 'order.refuse', row);
    if (await this.#parts.store.decideOrder(row.id, state, actor, this.#parts.now())) return;
    throw new Refusal('CORDON-1012', `no order \`${row.id}\` waits`, { observed: 'somebody else was first' });
  }

  #open({ id, input, digest }: OrderRow): JsonObject {
    const bytes = this.#parts.sealer.open(`order/${id}`, input);
    const json = parseJson(bytes, BOUNDS);
    if (sha256Hex(bytes) === digest && isJsonObject(json)) return json;
    throw new Refusal('CORDON-9006', 'the order that was kept is not the one that was given', { fix: 'give it again' });
  }

  #act(actor: string, act: string, { id, rule, route, digest, actor: ordered }: OrderRow): void {
    const detail = { rule, route, digest: `sha256:${digest}`, ordered_by: ordered };
    recordAct(this.#parts, { actor, act, target: id, detail });
  }
}
