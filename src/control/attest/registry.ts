// Who is registered: agents and registration entries of cordon.yaml, and those that were added over the API. The file wins: what was added
// never changes what it says. An act is logged, kept, then in force. INVARIANT I3
import { sha256Hex } from '../../crypto/hash.ts';
import { randomId } from '../../crypto/random.ts';
import { writeJson, type Json } from '../../domain/json.ts';
import { errorTextOf, Refusal } from '../../domain/refusal.ts';
import type { Agent } from '../../domain/registry.ts';
import { parseComposition, type Composition } from '../../identity/composition.ts';
import { EntryIndex, entrySelectors, type Registered, type RegistrationEntry } from '../../identity/registration.ts';
import { parseSelector, type Selector } from '../../identity/selectors.ts';
import type { AgentRow, Entries, EntryRow } from '../../store/ports.ts';
import type { Config } from '../config.ts';
import type { Publisher } from '../publisher.ts';
import { recordAct, type ActLog } from '../acts.ts';

export interface RegistryParts extends ActLog {
  readonly config: Config;
  readonly store: Entries;
  readonly publisher: Pick<Publisher, 'setAgents' | 'publish'>;
  /** Told of what the file overrides. */
  readonly onNotice: (line: string) => void;
}

/** An agent, and who says that it exists. */
export interface RegisteredAgent extends Agent {
  readonly source: 'config' | 'api';
  readonly createdBy: string;
}

/** What an operator registers: an agent, an entry, or both. */
export interface RegisterOrder extends Registered {
  /** Of an agent that is not registered yet; for one that is, what it has. */
  readonly segment?: string;
  readonly owner?: string;
  readonly purpose?: string;
  /** Of an entry; none: the agent alone. */
  readonly selectors: readonly Selector[];
  readonly ttl?: number;
  readonly composition: Composition;
  /** SPIFFE ID of the operator. */
  readonly actor: string;
}

export interface RegisterResult {
  /** Is the agent new, or its entry? Neither: it was all there. */
  readonly added: { readonly agent: boolean; readonly entry: boolean };
  readonly entry: RegistrationEntry | undefined;
}

export interface Registry {
  entries(): EntryIndex;
  agents(): readonly RegisteredAgent[];
  isRegistered(who: Registered): boolean;
  /** @throws Refusal CORDON-9011, CORDON-1014 */
  register(order: RegisterOrder): Promise<RegisterResult>;
  /** Takes an agent away, with its entries. @throws Refusal CORDON-1014, CORDON-9011 for one of the file */
  remove(agent: string, actor: string, reason: string): Promise<void>;
  /** `name`: whose it is. @throws Refusal CORDON-1012, CORDON-9011 for one of the file */
  removeEntry(id: string, name: string, actor: string, reason: string): Promise<RegistrationEntry>;
  /** Replaces what an entry expects. @throws Refusal CORDON-1012, CORDON-9011 for one of the file */
  expect(id: string, composition: Composition, actor: string, reason: string): Promise<void>;
}

/** Reads what the store has beside the file. @throws Refusal CORDON-9004, CORDON-9006 */
export async function openRegistry(parts: RegistryParts): Promise<Registry> {
  const registry = new StoredRegistry(parts);
  await registry.load();
  return registry;
}

const EDIT = 'edit cordon.yaml, and restart';

class StoredRegistry implements Registry {
  readonly #parts: RegistryParts;
  readonly #added = new Map<string, AgentRow>();
  readonly #own = new Map<string, RegistrationEntry>();
  #agents: readonly RegisteredAgent[] = [];
  /** `agent/clerk`, `resource/ledger` */
  #names: ReadonlySet<string> = new Set();
  #entries = new EntryIndex([]);
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: RegistryParts) {
    this.#parts = parts;
  }

  async load(): Promise<void> {
    const { store, onNotice } = this.#parts;
    for (const row of await store.registeredAgents()) {
      const why = this.#overruled(row);
      if (why !== undefined) onNotice(`! agent \`${row.name}\` that was registered over the API is left out: ${why}`);
      else this.#added.set(row.name, row);
    }
    for (const row of await store.entries()) {
      const entry = this.#readEntry(row);
      if (entry !== undefined) this.#own.set(entry.id, entry);
    }
    this.#apply();
  }

  entries(): EntryIndex {
    return this.#entries;
  }

  agents(): readonly RegisteredAgent[] {
    return this.#agents;
  }

  isRegistered({ kind, name }: Registered): boolean {
    return this.#names.has(`${kind}/${name}`);
  }

  register(order: RegisterOrder): Promise<RegisterResult> {
    return this.#inTurn(() => this.#register(order));
  }

  /** One after another, so that two orders for the same entry make one. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#last.then(work);
    this.#last = next.catch(() => undefined);
    return next;
  }

  async #register(order: RegisterOrder): Promise<RegisterResult> {
    const agent = this.#agentOf(order);
    const entry = order.selectors.length === 0 ? undefined : this.#entryOf(order, agent);
    const known = entry && this.#twinOf(entry);
    const added = { agent: agent !== undefined && !this.#agents.includes(agent), entry: entry !== undefined && known === undefined };
    if (added.agent && agent !== undefined) {
      this.#log('agent.register', order.actor, agent.name, { segment: agent.segment, owner: agent.owner, purpose: agent.purpose });
      const row = {
        name: agent.name,
        segment: agent.segment,
        owner: agent.owner,
        purpose: agent.purpose,
        createdBy: order.actor,
        createdAt: this.#parts.now(),
      };
      await this.#parts.store.putAgent(row);
      this.#added.set(agent.name, row);
    }
    if (added.entry && entry !== undefined) {
      this.#log('entry.register', order.actor, `${entry.kind}/${entry.name}`, {
        entry: entry.id,
        selectors: [...entry.selectors],
        composition: { ...entry.composition },
      });
      await this.#parts.store.putEntry(rowOf(entry));
      this.#own.set(entry.id, entry);
    }
    if (added.agent || added.entry) this.#apply();
    return { added, entry: known ?? entry };
  }

  async remove(name: string, actor: string, reason: string): Promise<void> {
    const agent = this.#agents.find((each) => each.name === name);
    if (agent === undefined) throw new Refusal('CORDON-1014', `no agent is registered as \`${name}\``);
    if (agent.source === 'config') throw new Refusal('CORDON-9011', `agent \`${name}\` stands in cordon.yaml, which wins`, { fix: EDIT });
    this.#log('agent.delete', actor, name, {}, reason);
    await this.#parts.store.removeAgent(name);
    this.#added.delete(name);
    for (const entry of this.#entries.of({ kind: 'agent', name })) this.#own.delete(entry.id);
    this.#apply();
  }

  async removeEntry(id: string, name: string, actor: string, reason: string): Promise<RegistrationEntry> {
    const entry = this.#ownEntry(id);
    if (entry.name !== name) throw new Refusal('CORDON-1012', `entry \`${id}\` is not one of \`${name}\``, { observed: entry.name });
    this.#log('entry.delete', actor, `${entry.kind}/${entry.name}`, { entry: id }, reason);
    await this.#parts.store.removeEntry(id);
    this.#own.delete(id);
    this.#apply();
    return entry;
  }

  async expect(id: string, composition: Composition, actor: string, reason: string): Promise<void> {
    const entry = { ...this.#ownEntry(id), composition };
    this.#log('entry.approve', actor, `${entry.kind}/${entry.name}`, { entry: id, composition: { ...composition } }, reason);
    await this.#parts.store.putEntry(rowOf(entry));
    this.#own.set(id, entry);
    this.#apply();
  }

  /** @throws Refusal CORDON-1012, CORDON-9011 */
  #ownEntry(id: string): RegistrationEntry {
    const entry = this.#own.get(id);
    if (entry !== undefined) return entry;
    const known = this.#entries.get(id);
    if (known === undefined)
      throw new Refusal('CORDON-1012', `no entry has the id \`${id}\``, { fix: 'list them: `cordon agent get NAME`' });
    throw new Refusal('CORDON-9011', `the entry stands in cordon.yaml, under \`${known.name}\`, which wins`, { fix: EDIT });
  }

  /** The agent that the order is about, as it is or as it will be; undefined for a resource. @throws Refusal */
  #agentOf({ kind, name, segment, owner, purpose, actor }: RegisterOrder): RegisteredAgent | undefined {
    if (kind === 'resource') {
      if (segment !== undefined || owner !== undefined || purpose !== undefined) {
        throw new Refusal('CORDON-9011', 'a resource is registered in cordon.yaml; over the API it gets entries', { fix: EDIT });
      }
      if (this.isRegistered({ kind, name })) return undefined;
      throw new Refusal('CORDON-3003', `no resource is registered as \`${name}\``);
    }
    const known = this.#agents.find((each) => each.name === name);
    if (known !== undefined) {
      const other = Object.entries({ segment, owner, purpose }).find(
        ([member, value]) => value !== undefined && value !== Reflect.get(known, member),
      );
      if (other === undefined) return known;
      throw new Refusal('CORDON-9011', `agent \`${name}\` is registered with another ${other[0]}`, {
        observed: String(other[1]),
        expected: String(Reflect.get(known, other[0])),
        fix: known.source === 'config' ? `the file wins: ${EDIT}` : `delete it first: cordon agent delete ${name} --reason TEXT`,
      });
    }
    if (segment === undefined || owner === undefined || purpose === undefined) {
      throw new Refusal('CORDON-9011', `agent \`${name}\` is new: it needs a segment, an owner and a purpose`, {
        fix: `cordon agent register ${name} --segment SEGMENT --owner WHO --purpose TEXT`,
      });
    }
    const agent: RegisteredAgent = { name, segment, owner, purpose, source: 'api', createdBy: actor };
    const why = this.#overruled(agent);
    if (why !== undefined) {
      const segments = this.#parts.config.segments.map((each) => each.name).join(', ');
      throw new Refusal('CORDON-9011', `agent \`${name}\` cannot be registered: ${why}`, {
        expected: `a segment of cordon.yaml: ${segments}`,
        fix: `cordon agent register ${name} --segment SEGMENT --owner WHO --purpose TEXT`,
      });
    }
    return agent;
  }

  /** Why the file does not let an agent be. */
  #overruled({ name, segment }: Pick<Agent, 'name' | 'segment'>): string | undefined {
    const { agents, segments } = this.#parts.config;
    if (agents.some((each) => each.name === name)) return 'it stands in cordon.yaml, which wins';
    return segments.some((each) => each.name === segment) ? undefined : `no segment is called \`${segment}\``;
  }

  #entryOf({ kind, name, selectors, ttl, composition, actor }: RegisterOrder, about: RegisteredAgent | undefined): RegistrationEntry {
    return {
      id: `ent_${randomId(10)}`,
      kind,
      name,
      selectors: entrySelectors(selectors),
      ...(ttl === undefined ? {} : { ttl }),
      owner: about?.owner ?? '',
      purpose: about?.purpose ?? '',
      composition,
      source: 'api',
      createdBy: actor,
      createdAt: this.#parts.now(),
    };
  }

  /** The same entry, if it is there. @throws Refusal CORDON-9011 when it is there with another lifetime or composition */
  #twinOf(entry: RegistrationEntry): RegistrationEntry | undefined {
    const twin = this.#entries.of(entry).find((each) => sameSelectors(each, entry));
    if (twin === undefined || writeJson(ordered(twin)) === writeJson(ordered(entry))) return twin;
    throw new Refusal(
      'CORDON-9011',
      `an entry of \`${twin.name}\` with these selectors is there and says otherwise${twin.source === 'config' ? ': cordon.yaml wins' : ''}`,
      {
        fix: twin.source === 'config' ? EDIT : `delete it first: cordon agent delete ${twin.name} --entry ${twin.id} --reason TEXT`,
      },
    );
  }

  /** An entry of the store, unless the file says otherwise. */
  #readEntry(row: EntryRow): RegistrationEntry | undefined {
    try {
      const entry = {
        ...row,
        selectors: entrySelectors(row.selectors.map(parseSelector)),
        composition: parseComposition(row.composition),
        source: 'api' as const,
      };
      const config = this.#parts.config.attestation.entries.find((each) => sameSelectors(each, entry));
      if (config === undefined) return entry;
      this.#parts.onNotice(
        `! entry ${row.id} of \`${row.name}\` is left out: one with the same selectors stands in cordon.yaml, which wins`,
      );
    } catch (error) {
      this.#parts.onNotice(`! entry ${row.id} of \`${row.name}\` is left out: ${errorTextOf(error)}`);
    }
    return undefined;
  }

  #apply(): void {
    const { config, publisher } = this.#parts;
    const written = config.agents.map((agent): RegisteredAgent => ({ ...agent, source: 'config', createdBy: 'cordon.yaml' }));
    const added = [...this.#added.values()].map(({ name, segment, owner, purpose, createdBy }): RegisteredAgent => ({
      name,
      segment,
      owner,
      purpose,
      source: 'api',
      createdBy,
    }));
    this.#agents = [...written, ...added];
    this.#names = new Set([...this.#agents.map(({ name }) => `agent/${name}`), ...config.resources.map(({ name }) => `resource/${name}`)]);
    // an entry of an agent that is not there (yet, or any more) lets nobody in
    this.#entries = new EntryIndex([...config.attestation.entries, ...this.#own.values()].filter((entry) => this.isRegistered(entry)));
    publisher.setAgents([...config.agents, ...added]);
    publisher.publish();
  }

  #log(act: string, actor: string, target: string, detail: Readonly<Record<string, Json>>, reason?: string): void {
    recordAct(this.#parts, { actor, act, target, reason, detail });
  }
}

const sameSelectors = (a: RegistrationEntry, b: RegistrationEntry): boolean =>
  a.kind === b.kind && a.name === b.name && a.selectors.join('\n') === b.selectors.join('\n');

const ordered = ({ ttl, composition }: RegistrationEntry): Json => [
  ttl ?? null,
  Object.entries(composition)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([part, digest]) => [part, digest]),
];

const rowOf = ({ source: _source, createdAt = 0, selectors, composition, ...entry }: RegistrationEntry): EntryRow => ({
  ...entry,
  selectors: [...selectors],
  composition: { ...composition },
  createdAt,
});

/** The id of an entry of the file: the same as long as it says the same. */
export const configEntryId = ({ kind, name }: Registered, selectors: readonly Selector[]): string =>
  `cfg_${sha256Hex(`${kind}/${name}\n${selectors.join('\n')}`).slice(0, 16)}`;
