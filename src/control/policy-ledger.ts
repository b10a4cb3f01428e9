// The versions of the policy set and the history of what is enforced, as the store keeps them: immutable, numbered, signed when they are
// written and proven when they are read. What this promises: nobody who can write to the database, but has no key, can put a policy in
// force, change one, or take a turn of the history back unseen; restoring a whole older backup is not seen.
import * as z from 'zod';
import type { Ed25519Signer } from '../crypto/ed25519.ts';
import type { Sealer } from '../crypto/seal.ts';
import { writeJson, type JsonObject } from '../domain/json.ts';
import { Refusal, asRefusal } from '../domain/refusal.ts';
import type { PolicySource } from '../policy/policy-set.ts';
import type { PolicyVersionRow, PolicyVersions, Sealed } from '../store/ports.ts';
import { hashOf } from './policies.ts';
import { altered, provenChange, provenVersion, type PolicyChange, type PolicyVersion } from './policy-proof.ts';

/** The number of the last change, sealed beside the changes, so that deleting the last ones is seen. */
const LAST = 'policy/last';
/** The table tests that the candidate came with, sealed: they are asked again when it is promoted. */
const TESTS = 'policy/candidate-tests';
const KEPT_TESTS = z.object({ version: z.number(), files: z.array(z.object({ path: z.string(), text: z.string() })) });
/** Changes that are looked back on. */
const HISTORY = 1_000;

export interface PolicyLedgerParts {
  readonly store: PolicyVersions & Sealed;
  readonly sealer: Sealer;
  readonly signer: Ed25519Signer;
}

export interface PolicyLedger {
  /** The change that says what is enforced now; none before the first start. @throws Refusal CORDON-9008 */
  last(): Promise<PolicyChange | undefined>;
  /** Newest first, at most 1,000; one that was altered stands as its refusal. */
  history(limit?: number): Promise<readonly (PolicyChange | Refusal)[]>;
  /** @throws Refusal CORDON-3003 when there is none of this number, CORDON-9008 */
  version(version: number): Promise<PolicyVersion>;
  /** The newest version of these sources that was not altered. */
  find(hash: string): Promise<PolicyVersion | undefined>;
  /** A version of these sources with the next number, signed and not yet kept. */
  draft(sources: readonly PolicySource[], made: Pick<PolicyVersion, 'createdAt' | 'actor' | 'parent'>): Promise<PolicyVersion>;
  /** Signs and keeps a change and the version that came with it. @throws Refusal CORDON-9004 when another replica was first */
  append(change: Omit<PolicyChange, 'schema' | 'seq'>, added: PolicyVersion | undefined): Promise<PolicyChange>;
  /** Keeps the table tests that a candidate comes with, in place of those of the one before. @throws Refusal CORDON-9004 */
  keepTests(version: number, files: readonly PolicySource[]): Promise<void>;
  /** Those of this candidate. @throws Refusal CORDON-9004, CORDON-9006 when they were altered */
  tests(version: number): Promise<readonly PolicySource[]>;
}

export const createPolicyLedger = (parts: PolicyLedgerParts): PolicyLedger => new StoredLedger(parts);

class StoredLedger implements PolicyLedger {
  readonly #store: PolicyVersions & Sealed;
  readonly #sealer: Sealer;
  readonly #signer: Ed25519Signer;

  constructor({ store, sealer, signer }: PolicyLedgerParts) {
    this.#store = store;
    this.#sealer = sealer;
    this.#signer = signer;
  }

  async last(): Promise<PolicyChange | undefined> {
    const [row] = await this.#store.policyChanges(1);
    const sealed = await this.#lastSeq();
    if ((row?.seq ?? 0) !== sealed) throw altered('the history of policies', `it ends with change ${row?.seq ?? 0} instead of ${sealed}`);
    return row && provenChange(row, this.#signer.publicKey);
  }

  async history(limit = HISTORY): Promise<readonly (PolicyChange | Refusal)[]> {
    const rows = await this.#store.policyChanges(limit);
    return rows.map((row) => orRefusal(() => provenChange(row, this.#signer.publicKey)));
  }

  async version(version: number): Promise<PolicyVersion> {
    const row = await this.#row(version);
    if (row !== undefined) return provenVersion(row, this.#signer.publicKey);
    throw new Refusal('CORDON-3003', `there is no policy version ${version}`, { fix: 'list them: `cordon policy history`' });
  }

  async find(hash: string): Promise<PolicyVersion | undefined> {
    for (const { version } of (await this.#store.policyHashes()).filter((row) => row.hash === hash)) {
      const found = await this.version(version).catch((error: unknown) => unlessAltered(error));
      if (found?.hash === hash) return found;
    }
    return undefined;
  }

  async draft(sources: readonly PolicySource[], made: Pick<PolicyVersion, 'createdAt' | 'actor' | 'parent'>): Promise<PolicyVersion> {
    const [newest] = await this.#store.policyHashes();
    const version = Math.max(newest?.version ?? 0, made.parent ?? 0) + 1;
    return { schema: 'cordon.policyversion/v1', version, hash: hashOf(sources), ...made, sources };
  }

  async append(change: Omit<PolicyChange, 'schema' | 'seq'>, added: PolicyVersion | undefined): Promise<PolicyChange> {
    const [row] = await this.#store.policyChanges(1);
    const seq = Math.max(row?.seq ?? 0, await this.#lastSeq().catch(() => 0)) + 1;
    const next = { seq, ...this.#signed({ schema: 'cordon.policychange/v1', seq, ...change }) };
    const kept = provenChange(next, this.#signer.publicKey); // what was signed is read back by other code before it is kept
    const last = { name: LAST, sealed: this.#sealer.seal(LAST, Buffer.from(String(seq))) };
    await this.#store.addPolicyChange(next, last, added && this.#versionRow(added));
    return kept;
  }

  async keepTests(version: number, files: readonly PolicySource[]): Promise<void> {
    const kept = writeJson({ version, files: files.map(({ path, text }) => ({ path, text })) });
    await this.#store.putSealed(TESTS, this.#sealer.seal(TESTS, Buffer.from(kept)));
  }

  async tests(version: number): Promise<readonly PolicySource[]> {
    const sealed = await this.#store.getSealed(TESTS);
    if (sealed === undefined) return [];
    const kept = KEPT_TESTS.parse(JSON.parse(Buffer.from(this.#sealer.open(TESTS, sealed)).toString('utf8')));
    return kept.version === version ? kept.files : [];
  }

  #versionRow({ sources, ...statement }: PolicyVersion): PolicyVersionRow {
    const { version, hash } = statement;
    const row = { version, hash, sources: sources.map(({ path, text }) => ({ path, text })), ...this.#signed(statement) };
    provenVersion(row, this.#signer.publicKey);
    return row;
  }

  #signed(statement: JsonObject): { readonly statement: string; readonly signature: Uint8Array } {
    const text = writeJson(statement);
    return { statement: text, signature: this.#signer.sign(Buffer.from(text)) };
  }

  /** @throws Refusal CORDON-9008 when it cannot even be read, CORDON-9004 */
  async #row(version: number): Promise<PolicyVersionRow | undefined> {
    try {
      return await this.#store.policyVersion(version);
    } catch (error) {
      if (error instanceof SyntaxError) throw altered(`policy version ${version}`, 'its policies are no JSON');
      throw error;
    }
  }

  async #lastSeq(): Promise<number> {
    const sealed = await this.#store.getSealed(LAST);
    return sealed === undefined ? 0 : Number(Buffer.from(this.#sealer.open(LAST, sealed)).toString('utf8'));
  }
}

function orRefusal<T>(work: () => T): T | Refusal {
  try {
    return work();
  } catch (error) {
    return asRefusal(error, 'CORDON-9008', 'it cannot be read');
  }
}

function unlessAltered(error: unknown): undefined {
  if (error instanceof Refusal && error.code === 'CORDON-9008') return undefined;
  throw error;
}
