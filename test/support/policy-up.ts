// A control plane's policies without a network, as `cordon up` puts them together: store, seal, signatures, engine, tests and records are
// the real ones.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Config } from '../../src/control/config.ts';
import { createDecisionIndex, type DecisionIndex } from '../../src/control/decisions.ts';
import { createPolicyLedger, type PolicyLedger } from '../../src/control/policy-ledger.ts';
import type { ApplyOrder, PolicyRollout } from '../../src/control/policy-orders.ts';
import { createPolicyRollout } from '../../src/control/policy-rollout.ts';
import { policiesView, type PoliciesView } from '../../src/control/policy-views.ts';
import { createPublisher, type Publisher } from '../../src/control/publisher.ts';
import { generateEd25519, type Ed25519Signer } from '../../src/crypto/ed25519.ts';
import { randomKey } from '../../src/crypto/random.ts';
import { sealer as sealerOf, type Sealer } from '../../src/crypto/seal.ts';
import type { AccessRequest, ActRecord, Decision, LogRecord, Receipt } from '../../src/domain/access.ts';
import { Refusal } from '../../src/domain/refusal.ts';
import type { World } from '../../src/domain/registry.ts';
import { parseTrustDomain } from '../../src/domain/spiffe-id.ts';
import type { Pep } from '../../src/gateway/pep.ts';
import { recordDecision } from '../../src/gateway/record.ts';
import { decide } from '../../src/pdp/decide.ts';
import { readTables } from '../../src/server/policy-tables.ts';
import type { Store } from '../../src/store/ports.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import { desk } from './policy-desk.ts';

export const world = desk();
export const config = { trustDomain: parseTrustDomain('test.example'), svidTtl: 900_000, ...world } as unknown as Config;
export const ORDER: ApplyOrder = { actor: 'spiffe://test.example/operator/local', shadow: false, acceptWidening: [] };
export const KEYS = { signer: generateEd25519().signer, sealer: sealerOf(randomKey()) };

export interface PolicyUp {
  readonly rollout: PolicyRollout;
  readonly publisher: Publisher;
  readonly ledger: PolicyLedger;
  readonly store: Store;
  readonly index: DecisionIndex;
  readonly notices: readonly string[];
  /** Decides as a gateway does, and records it. */
  readonly ask: (request: AccessRequest) => Decision;
  readonly view: () => Promise<PoliciesView>;
  readonly close: () => Promise<void>;
}

export interface PolicyUpParts {
  /** Holds the database, and the policies in `policies`. */
  readonly dir: string;
  /** Takes what is recorded. */
  readonly log: LogRecord[];
  readonly keys?: { readonly signer: Ed25519Signer; readonly sealer: Sealer };
  /** Known from the start on; those of the desk when it is not said. */
  readonly tools?: World['tools'];
}

/** Started, and its tools seen. */
export async function policyUp({ dir, log, keys = KEYS, tools = world.tools }: PolicyUpParts): Promise<PolicyUp> {
  const directory = join(dir, 'policies');
  const store = await openSqliteStore(join(dir, 'cordon.db'));
  const notices: string[] = [];
  const publisher = createPublisher(config, Date.now);
  const append = (record: LogRecord): Receipt => ({ log: 'test', seq: log.push(record), leafHash: '' });
  const index = createDecisionIndex({ store, sealer: keys.sealer, snapshot: publisher.current, onError: assert.ifError });
  const ledger = createPolicyLedger({ store, ...keys });
  const shared = { directory, readTables, ledger, publisher, decisions: index, now: Date.now, sealer: keys.sealer };
  const rollout = createPolicyRollout({ ...shared, log: { append }, onNotice: (line) => notices.push(line) });
  const pep = {
    id: 'test',
    version: 'test',
    now: Date.now,
    snapshot: publisher.current,
    log: { append },
    onRecorded: (recorded: Parameters<Pep['onRecorded']>[0]) => index.add(recorded),
  } as unknown as Pep;
  await rollout.start();
  for (const [resource, listing] of tools) publisher.setTools(resource, listing, []);
  publisher.setRun('r1', { agent: 'clerk', notAfter: Number.MAX_SAFE_INTEGER, since: 0 });
  await rollout.refresh();
  return {
    rollout,
    publisher,
    ledger,
    store,
    index,
    notices,
    ask(request): Decision {
      const { decision } = decide(publisher.current(), { request }, Date.now(), { maxStaleness: 60_000 });
      recordDecision(pep, request, decision);
      return decision;
    },
    view: () => policiesView({ rollout, ledger, decisions: store, directory }),
    async close(): Promise<void> {
      await index.close();
      await store.close();
    },
  };
}

/** The version that is enforced, or why none is. */
export function inForce({ publisher }: PolicyUp): number | string {
  const { policies } = publisher.current();
  return policies instanceof Refusal ? policies.code : policies.version;
}

export const actsIn = (log: readonly LogRecord[]): readonly ActRecord[] =>
  log.filter((record): record is ActRecord => record.schema === 'cordon.act/v1');
