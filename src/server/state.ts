// What outlives a process: the data directory, what is sealed in it, the store, the audit log, and the keys of the trust domain.
import { ed25519FromPem, generateEd25519, type Ed25519Signer } from '../crypto/ed25519.ts';
import { sealer as sealerOf, type Sealer } from '../crypto/seal.ts';
import { randomKey, randomSerial } from '../crypto/random.ts';
import { openAuthority, type AuthorityKeeper } from '../control/keys.ts';
import { openDecisionLog, type DecisionLog } from '../store/log-files.ts';
import type { Sealed, Store } from '../store/ports.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import { errorTextOf } from '../domain/refusal.ts';
import { openDataDir, type DataDir } from './data-dir.ts';
import { openSealKey } from './seal-key.ts';
import type { Setting } from './setting.ts';

export interface State {
  readonly data: DataDir;
  readonly sealer: Sealer;
  readonly store: Store;
  readonly log: DecisionLog;
  readonly authority: AuthorityKeeper;
  /** Signs policy versions and their history. */
  readonly policySigner: Ed25519Signer;
  /** Of what callers keep between two calls, ids of tasks of agents too: they outlive a restart. */
  readonly stateKey: Uint8Array;
}

/** How often the keys are looked after. Milliseconds. */
const TEND_MS = 60_000;

/** Opens or makes all of it; `stack` closes it. @throws Refusal CORDON-9004, CORDON-9006, CORDON-9009 */
export async function openState(setting: Setting, stack: AsyncDisposableStack): Promise<State> {
  const { config, pep, now } = setting;
  const data = await openDataDir(setting.dataDir);
  const sealer = sealerOf(await openSealKey(data));
  const store = await openSqliteStore(data.database, { beside: true });
  stack.defer(() => store.close());
  const { key, pinned } = await logOf({ store, sealer }, pep);
  const log = await openDecisionLog({
    dir: data.log(pep),
    origin: `${config.trustDomain}/log/${pep}`,
    signer: ed25519FromPem(key),
    ...(pinned === undefined ? {} : { pinned }),
    onFault: (fault) => setting.onNotice(`x ${fault.code} ${fault.message}`),
  });
  stack.defer(() => log.close());
  const see = async (): Promise<void> => seeLog({ store, sealer }, pep, await log.checkpoint());
  await see();
  stack.defer(() => see().catch(() => undefined)); // what cannot be signed now is told by `close`
  const { trustDomain, svidTtl } = config;
  const authority = await openAuthority(store, sealer, { trustDomain, svidTtl, now, serial: randomSerial, log });
  stack.defer(keepTended(authority, setting));
  const policySigner = await openSigner(store, sealer, 'policy/signer');
  return { data, sealer, store, log, authority, policySigner, stateKey: await openStateKey({ store, sealer }) };
}

/** Lets time do its work on the keys; a failure is told once. @returns stops it */
function keepTended(authority: AuthorityKeeper, { onNotice }: Setting): () => void {
  let failing = false;
  const tend = async (): Promise<void> => {
    try {
      await authority.tend();
      failing = false;
    } catch (error) {
      if (!failing) onNotice(`! keys of the trust domain are not looked after: ${errorTextOf(error)}`);
      failing = true;
    }
  };
  const timer = setInterval(() => void tend(), TEND_MS).unref();
  return () => clearInterval(timer);
}

/** What another process goes on with the log of `pep` with: its key (PEM), and the checkpoint that was seen last. @throws Refusal */
export async function logOf({ store, sealer }: Vault, pep: string): Promise<{ readonly key: string; readonly pinned: string | undefined }> {
  const seen = await store.getSealed(seenName(pep));
  const pinned = seen === undefined ? undefined : Buffer.from(sealer.open(seenName(pep), seen)).toString('utf8');
  return { key: await openKey(store, sealer, `log/${pep}`), pinned };
}

/** INVARIANT I3: a log that was removed or set back since is not gone on with. */
export const seeLog = ({ store, sealer }: Vault, pep: string, checkpoint: string): Promise<void> =>
  store.putSealed(seenName(pep), sealer.seal(seenName(pep), Buffer.from(checkpoint)));

type Vault = Pick<State, 'sealer'> & { readonly store: Sealed };

const seenName = (pep: string): string => `log/${pep}/seen`;

async function openSigner(store: Sealed, sealer: Sealer, name: string): Promise<Ed25519Signer> {
  return ed25519FromPem(await openKey(store, sealer, name));
}

/** The signing key of this name, PEM, made when there is none. @throws Refusal CORDON-9004, CORDON-9006 */
async function openKey(store: Sealed, sealer: Sealer, name: string): Promise<string> {
  const sealed = await store.getSealed(name);
  if (sealed !== undefined) return Buffer.from(sealer.open(name, sealed)).toString('utf8');
  const { pem } = generateEd25519();
  await store.putSealed(name, sealer.seal(name, Buffer.from(pem)));
  return pem;
}

const STATE_KEY = 'gateway/state';

/** Made when there is none. @throws Refusal CORDON-9006 when it does not open */
async function openStateKey({ store, sealer }: Vault): Promise<Uint8Array> {
  const sealed = await store.getSealed(STATE_KEY);
  if (sealed !== undefined) return sealer.open(STATE_KEY, sealed);
  const key = randomKey();
  await store.putSealed(STATE_KEY, sealer.seal(STATE_KEY, key));
  return key;
}
