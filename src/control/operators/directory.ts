// Who administers Cordon, and what each may do now: people of cordon.yaml, people who were invited, and the operator of this machine.
// A role is looked up when it is asked for, so one that is taken away is gone with the next request. INVARIANT I7
import { randomId } from '../../crypto/random.ts';
import type { OperatorRole } from '../../domain/operators.ts';
import { Refusal } from '../../domain/refusal.ts';
import type { BreakGlassRow, OperatorRow, Store } from '../../store/ports.ts';
import { recordAct, type ActLog } from '../acts.ts';

/** The operator whose credentials lie in the data directory: whoever can read them owns this machine. */
export const LOCAL_OPERATOR = 'local';

/** A person of `cordon.yaml`. */
export interface Person {
  readonly name: string;
  readonly role: OperatorRole;
  /** `sub` at the OpenID Connect provider, where the person signs in there. */
  readonly subject?: string;
}

export type OperatorView = {
  readonly name: string;
  readonly role: OperatorRole;
  /** Where it stands that this is an operator. */
  readonly source: 'machine' | 'config' | 'invited';
  /** Has every right for now, alone. */
  readonly brokenGlass: boolean;
};

export interface DirectoryParts extends ActLog {
  readonly people: readonly Person[];
  readonly store: Pick<Store, 'operators' | 'putOperator' | 'removeOperator' | 'addBreakGlass' | 'openBreakGlass' | 'reviewBreakGlass'>;
  readonly onNotice: (line: string) => void;
}

export interface Directory {
  list(): readonly OperatorView[];
  /** Undefined: nobody, or nobody any more. */
  roleOf(name: string): OperatorRole | undefined;
  /** May this operator act without the second person that a rule asks for? */
  actsAlone(name: string): boolean;
  /** Adds a person, or changes the role of one. @throws Refusal CORDON-9006 for one of cordon.yaml or this machine */
  put(name: string, role: OperatorRole, actor: string): Promise<void>;
  /** @throws Refusal CORDON-9006 for one of cordon.yaml or this machine, CORDON-1012 unknown */
  remove(name: string, actor: string): Promise<void>;
  /** Binds a name to the account that first signs in with it. @throws Refusal CORDON-1013 when it is bound to another */
  bind(name: string, subject: string): Promise<void>;
  breakGlass(order: {
    readonly operator: string;
    readonly actor: string;
    readonly reason: string;
    readonly forMs: number;
  }): Promise<BreakGlassRow>;
  openBreakGlass(): readonly BreakGlassRow[];
  /** @throws Refusal CORDON-1014 by the one who broke it, CORDON-1012 unknown or looked at already */
  review(id: string, reviewer: { readonly name: string; readonly actor: string }): Promise<void>;
}

/** Reads what the store holds. @throws Refusal CORDON-9004 */
export async function openDirectory(parts: DirectoryParts): Promise<Directory> {
  const directory = new StoredDirectory(parts);
  await directory.load();
  return directory;
}

class StoredDirectory implements Directory {
  readonly #parts: DirectoryParts;
  readonly #people: ReadonlyMap<string, Person>;
  #invited = new Map<string, OperatorRow>();
  #broken: readonly BreakGlassRow[] = [];

  constructor(parts: DirectoryParts) {
    this.#parts = parts;
    this.#people = new Map(parts.people.map((person) => [person.name, person]));
  }

  async load(): Promise<void> {
    const { store, now } = this.#parts;
    this.#invited = new Map((await store.operators()).map((row) => [row.name, row]));
    this.#broken = await store.openBreakGlass(now());
  }

  list(): readonly OperatorView[] {
    const view = (name: string, role: OperatorRole, source: OperatorView['source']): OperatorView => {
      return { name, role, source, brokenGlass: this.#isBroken(name) };
    };
    const invited = [...this.#invited.values()].filter(({ name }) => !this.#people.has(name) && name !== LOCAL_OPERATOR);
    return [
      view(LOCAL_OPERATOR, 'admin', 'machine'),
      ...[...this.#people.values()].map(({ name, role }) => view(name, role, 'config')),
      ...invited.map(({ name, role }) => view(name, role, 'invited')),
    ];
  }

  roleOf(name: string): OperatorRole | undefined {
    if (name === LOCAL_OPERATOR) return 'admin';
    const role = this.#people.get(name)?.role ?? this.#invited.get(name)?.role;
    return role !== undefined && this.#isBroken(name) ? 'admin' : role;
  }

  actsAlone(name: string): boolean {
    return this.roleOf(name) !== undefined && this.#isBroken(name);
  }

  async put(name: string, role: OperatorRole, actor: string): Promise<void> {
    this.#mustBeInvited(name);
    const { store, now } = this.#parts;
    this.#act(actor, 'operator.put', name, { role });
    const known = this.#invited.get(name);
    const row: OperatorRow = known === undefined ? { name, role, createdAt: now(), createdBy: actor } : { ...known, role };
    await store.putOperator(row);
    this.#invited.set(name, row);
  }

  async remove(name: string, actor: string): Promise<void> {
    this.#mustBeInvited(name);
    if (!this.#invited.has(name))
      throw new Refusal('CORDON-1012', `no operator is called \`${name}\``, { fix: 'see who there is: `cordon operator list`' });
    this.#act(actor, 'operator.remove', name, {});
    this.#invited.delete(name); // first: whatever becomes of the store, the rights are gone
    await this.#parts.store.removeOperator(name);
  }

  async bind(name: string, subject: string): Promise<void> {
    const { store, now } = this.#parts;
    const person = this.#people.get(name);
    const known = this.#invited.get(name);
    const bound = known?.subject;
    if (bound === subject) return;
    if (bound !== undefined)
      throw new Refusal('CORDON-1013', `\`${name}\` signs in with another account`, { fix: 'sign in with the account of the first time' });
    const role = person?.role ?? known?.role;
    if (role === undefined) throw new Refusal('CORDON-1012', `no operator is called \`${name}\``);
    const row: OperatorRow = { createdAt: now(), createdBy: 'cordon', ...known, name, role, subject };
    this.#act('cordon', 'operator.bind', name, {});
    await store.putOperator(row);
    this.#invited.set(name, row);
  }

  async breakGlass({ operator, actor, reason, forMs }: Parameters<Directory['breakGlass']>[0]): Promise<BreakGlassRow> {
    const { store, now, onNotice } = this.#parts;
    const at = now();
    const row: BreakGlassRow = { id: `gls_${randomId(8)}`, operator, at, until: at + forMs, reason };
    this.#act(actor, 'operator.break_glass', operator, { id: row.id, until: new Date(row.until).toISOString() }, reason);
    await store.addBreakGlass(row);
    this.#broken = [row, ...this.#broken];
    onNotice(`! ${operator} broke the glass: every right, alone, until ${new Date(row.until).toISOString()}`);
    return row;
  }

  openBreakGlass(): readonly BreakGlassRow[] {
    const now = this.#parts.now();
    return this.#broken.filter(({ until, reviewedAt }) => until > now || reviewedAt === undefined);
  }

  async review(id: string, { name, actor }: { readonly name: string; readonly actor: string }): Promise<void> {
    const { store, now } = this.#parts;
    const row = this.#broken.find((one) => one.id === id && one.reviewedAt === undefined);
    if (row === undefined)
      throw new Refusal('CORDON-1012', 'nothing of this name waits for review', { fix: 'see what does: `cordon operator list`' });
    if (row.operator === name) throw new Refusal('CORDON-5008', 'nobody reviews what they did themselves');
    this.#act(actor, 'operator.review', id, { operator: row.operator });
    await store.reviewBreakGlass(id, name, now());
    this.#broken = this.#broken.map((one) => (one === row ? { ...one, reviewedBy: name, reviewedAt: now() } : one));
  }

  #isBroken(name: string): boolean {
    const now = this.#parts.now();
    return this.#broken.some(({ operator, at, until }) => operator === name && at <= now && now < until);
  }

  #mustBeInvited(name: string): void {
    if (name !== LOCAL_OPERATOR && !this.#people.has(name)) return;
    const where = name === LOCAL_OPERATOR ? 'of this machine' : 'named in cordon.yaml';
    throw new Refusal('CORDON-9006', `\`${name}\` is the operator ${where}`, { fix: 'edit `operators` in cordon.yaml and restart' });
  }

  #act(actor: string, act: string, target: string, detail: Record<string, string>, reason?: string): void {
    recordAct(this.#parts, { actor, act, target, reason, detail });
  }
}
