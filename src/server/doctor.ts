// Does this Cordon protect? Not only what must work is tried, but what must fail: real connections, real certificates, a real copy of
// the log. A check that cannot be made is a failed check.
import { cp, mkdtemp, open, readdir, rm, stat, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type ConnectionOptions } from 'node:tls';
import { parseVerifierKey } from '../audit/note.ts';
import { verifyLog, type VerifyResult } from '../audit/verify.ts';
import type { Config } from '../control/config.ts';
import type { AgentView, Check, Control, StatusView } from '../control/control.ts';
import type { AuthorityKeeper } from '../control/keys.ts';
import type { FederatedDomainView } from '../control/federation/federation.ts';
import type { Publisher } from '../control/publisher.ts';
import { admitted } from '../control/policies.ts';
import { randomId, randomSerial } from '../crypto/random.ts';
import { generateEd25519 } from '../crypto/ed25519.ts';
import { readCertificate } from '../crypto/certificate.ts';
import { generateKeyPem } from '../crypto/x509.ts';
import { subjectKey } from '../crypto/x509-leaf.ts';
import type { AccessRequest } from '../domain/access.ts';
import { errorTextOf, Refusal } from '../domain/refusal.ts';
import { parseSpiffeId, parseWorkload, workloadId } from '../domain/spiffe-id.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { authorityOf, createIntermediate, createRoot } from '../identity/authority.ts';
import { issueSvid } from '../identity/issue.ts';
import { decide } from '../pdp/decide.ts';
import { openDecisionLog, type DecisionLog } from '../store/log-files.ts';
import { tilesAt } from '../store/log-tiles.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DataDir } from './data-dir.ts';
import type { WorkerPool } from './workers/pool.ts';

/** The Cordon that is examined. */
export interface Examined {
  readonly config: Config;
  readonly publisher: Publisher;
  readonly gateway: Gateway;
  readonly workers: Pick<WorkerPool, 'heard'> | undefined;
  readonly log: DecisionLog;
  readonly data: DataDir;
  readonly now: () => number;
  readonly authority: Pick<AuthorityKeeper, 'current' | 'keys'>;
}

type Views = Pick<Control, 'agents' | 'status' | 'agentId'> & { readonly federated: () => readonly FederatedDomainView[] };
/** What a check found; throwing is finding that it failed. */
type Found = Pick<Check, 'ok' | 'detail' | 'fix'>;

const DAY = 86_400_000;
const MIB = 1_048_576;
const NETWORK_MS = 5_000;
const LEAST_FREE = 512 * MIB;
const OFF_LOOKS = 20;
const OFF_LOOK_MS = 50;
/** Two reads of a longer log would keep the gateway from its work; a log made for the purpose stands in for it. */
const MOST_COPIED = 20_000;

/** Every check, in the order in which a reader wants them. Never throws. */
export async function examine(parts: Examined, views: Views): Promise<readonly Check[]> {
  const { data } = parts;
  const status = await views.status();
  const checks = [
    await check('clock', 'clock', () => clock(parts)),
    await check('ca', 'root', async () => horizon(parts, 'root')),
    await check('ca', 'intermediate', async () => horizon(parts, 'intermediate')),
    ...(await Promise.all(
      views.federated().map((domain) => check('ca', `federated ${domain.trust_domain}`, async () => federated(domain))),
    )),
    await check('gateway', 'gateway answers', () => gatewayIdentity(parts)),
    await check('gateway', 'no certificate refused', () => refused(parts, {})),
    await check('gateway', 'self-made certificate refused', async () => refused(parts, await selfMade(parts, views))),
    ...(await Promise.all(status.resources.map((state) => check('gateway', `resource ${state.resource}`, async () => upstream(state))))),
    await check('gateway', 'upstreams answer', async () => circuits(status)),
    await check('policy', 'policies', async () => policies(status)),
    await check('policy', 'empty set denies', () => emptySetDenies(parts, views)),
    await check('log', 'tampering is detected', () => tampering(parts)),
    ...(status.webhook === undefined ? [] : [await check('approvals', 'webhook', async () => webhook(status.webhook))]),
    await check('clients', 'agents at level off', () => offIsSilent(views)),
    await check('store', 'database', () => database(data.database)),
    await check('store', 'disk space', () => diskSpace(data.root)),
  ];
  return [...checks, await dataDirCheck(data.root)];
}

function federated({ trust_domain, state, roots, error, until = 0 }: FederatedDomainView): Found {
  const detail = `${roots} roots, ${state === 'trusted' ? `believed until ${new Date(until).toISOString()}` : state}${error === undefined ? '' : `; ${error.message}`}`;
  return state === 'trusted' && error === undefined
    ? { ok: true, detail }
    : { ok: false, detail, fix: error?.fix ?? `cordon federation refresh ${trust_domain}` };
}

async function check(category: Check['category'], name: string, look: () => Promise<Found>): Promise<Check> {
  try {
    return { category, name, ...(await look()) };
  } catch (error) {
    const fix = error instanceof Refusal ? error.fix : 'look at what `cordon up` said on stderr';
    return { category, name, ok: false, detail: errorTextOf(error), fix };
  }
}

const good = (detail: string): Found => ({ ok: true, detail });
const bad = (detail: string, fix: string): Found => ({ ok: false, detail, fix });

/** Time went back, or stands before what was recorded: lifetimes cannot be trusted. */
async function clock({ log, now }: Examined): Promise<Found> {
  const newest = log.size === 0 ? undefined : await log.get(log.size - 1);
  const age = now() - (newest === undefined ? now() : Date.parse(newest.ts));
  if (age >= -5_000) return good(newest === undefined ? 'the log is empty' : `newest entry ${Math.max(0, Math.round(age / 1000))} s ago`);
  return bad(`the newest log entry is ${Math.round(-age / 1000)} s in the future`, 'set the clock of this machine (CORDON-9009)');
}

/** How long the key that signs must live on, and what to do when it does not. */
const HORIZONS = {
  root: { least: 180 * DAY, fix: 'replace it: cordon ca rotate prepare --root' },
  intermediate: { least: 14 * DAY, fix: 'restart `cordon up`: it renews what is past half of its life' },
} as const;

function horizon({ authority, now }: Examined, use: keyof typeof HORIZONS): Found {
  const { least, fix } = HORIZONS[use];
  const signs = authority.keys().find((key) => key.use === use && key.stage === 'active');
  const left = (signs?.notAfter ?? 0) - now();
  const detail = `${Math.floor(left / DAY)} d left`;
  return left > least ? good(detail) : bad(detail, fix);
}

interface Attempt {
  /** Did the other end answer a request with anything at all? */
  readonly answered: boolean;
  /** Did TLS come so far that the other end had to judge us? */
  readonly reached: boolean;
  readonly peer: Uint8Array | undefined;
  readonly error: string;
}

/** One TLS connection to the gateway and one request; ends when something came back, or the connection is gone. */
function attempt({ config, authority }: Examined, own: Pick<ConnectionOptions, 'cert' | 'key'>): Promise<Attempt> {
  const { host, port } = config.listen.gateway;
  return new Promise((resolve) => {
    let reached = false;
    let error = '';
    let peer: Uint8Array | undefined;
    const socket = connect({
      host,
      port,
      ca: authority.current().bundle,
      ...own,
      servername: '',
      minVersion: 'TLSv1.3',
      checkServerIdentity: () => undefined,
    });
    const end = (answered: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ answered, reached, peer, error });
    };
    const timer = setTimeout(() => {
      error = `no answer within ${NETWORK_MS / 1000} s`;
      end(false);
    }, NETWORK_MS);
    socket.once('secureConnect', () => {
      reached = true;
      peer = socket.getPeerX509Certificate()?.raw;
      socket.write(`GET /mcp/doctor HTTP/1.1\r\nhost: ${host}:${port}\r\nconnection: close\r\n\r\n`);
    });
    socket.once('data', () => end(true));
    socket.once('error', (cause: NodeJS.ErrnoException) => {
      error = cause.code ?? cause.message;
      reached ||= error.includes('ALERT');
    });
    socket.once('close', () => end(false));
  });
}

/** Who listens where the gateway should, and for how long it can prove it. */
async function gatewayIdentity(parts: Examined): Promise<Found> {
  const { peer, error } = await attempt(parts, {});
  const { host, port } = parts.config.listen.gateway;
  if (peer === undefined) return bad(`no TLS at ${host}:${port}: ${error}`, 'see what listens there; restart `cordon up`');
  const { uris, notAfter } = readCertificate(peer);
  const workload = parseWorkload(parseSpiffeId(uris[0] ?? ''));
  if (workload.kind !== 'gateway') return bad(`\`${workload.id}\` answers at ${host}:${port}`, 'stop what listens there');
  const left = notAfter - parts.now();
  const detail = `${workload.id}, SVID ${Math.floor(left / 1000)} s left`;
  return left > parts.config.svidTtl / 4
    ? good(detail)
    : bad(detail, 'it should have been renewed at half of its life: restart `cordon up`');
}

/** Refused means: TLS came so far that we were judged, nothing was answered, and the refusal is in the log. INVARIANTS I3, I9 */
async function refused(parts: Examined, own: Pick<ConnectionOptions, 'cert' | 'key'>): Promise<Found> {
  const before = recordedBy(parts);
  const { answered, reached, error } = await attempt(parts, own);
  if (answered) return bad('the gateway answered', 'stop `cordon up` and report this: nobody should be answered');
  if (!reached) return bad(`could not be tried: ${error}`, 'see what listens there; restart `cordon up`');
  // of a worker it is heard a moment later
  for (let looks = 0; recordedBy(parts) === before && looks < OFF_LOOKS; looks++) await sleep(OFF_LOOK_MS);
  const recorded = recordedBy(parts) > before;
  const detail = `${error === '' ? 'connection closed' : error.replace(/^ERR_SSL_/, '')}, ${recorded ? 'recorded' : 'NOT recorded'}`;
  return recorded ? good(detail) : bad(detail, 'report this: a refusal must be in the log');
}

const recordedBy = ({ log, workers }: Examined): number => log.size + (workers?.heard() ?? 0);

/** A CA of our own with the same names, and an SVID from it that claims a registered agent. */
async function selfMade({ config, now }: Examined, views: Views): Promise<Pick<ConnectionOptions, 'cert' | 'key'>> {
  const options = { trustDomain: config.trustDomain, now: now(), serial: randomSerial };
  const root = await createRoot(options);
  const intermediate = await createIntermediate(root, options);
  const key = await generateKeyPem();
  const id = workloadId(config.trustDomain, 'agent', views.agents()[0]?.name ?? 'nobody', randomId(12));
  const authority = authorityOf(config.trustDomain, [root.certificate], intermediate);
  const svid = issueSvid(authority, { id, publicKey: subjectKey(key.publicKey), now: now(), ttl: 60_000, serial: randomSerial() });
  return { cert: svid.chain, key: key.privateKey };
}

function upstream({ resource, state, tools, changed, error }: StatusView['resources'][number]): Found {
  if (state === 'ready') return good(`${tools} tools, as pinned`);
  if (state === 'waiting') return bad(error ?? 'has not answered', 'start it, or mend its address in cordon.yaml');
  return bad(`${changed.length} definitions changed: ${changed.join(', ')}`, `compare them: cordon tools diff ${resource}`);
}

function circuits({ upstreams }: StatusView): Found {
  const gone = upstreams.filter(({ circuit }) => circuit !== 'closed').map(({ name }) => name);
  const full = upstreams.filter(({ inFlight, most }) => inFlight >= most).map(({ name }) => name);
  if (gone.length > 0)
    return bad(`calls are refused, because they do not answer: ${gone.join(', ')}`, 'bring them back; they are tried again by themselves');
  if (full.length > 0)
    return bad(`as many calls in flight as they may have: ${full.join(', ')}`, 'see what holds them; `resilience.inFlight` in cordon.yaml');
  return good(`${upstreams.length} with their circuit closed`);
}

function webhook(state: StatusView['webhook']): Found {
  const { receiver = '', waiting = 0, delivered = 0, lost = 0, failing } = state ?? {};
  const counts = `${receiver}: ${delivered} delivered, ${waiting} waiting, ${lost} lost`;
  if (failing === undefined) return good(counts);
  return bad(`${counts}; ${failing}`, 'bring the receiver back, or mend `approvals.webhook` in cordon.yaml');
}

function policies({ policies: set }: StatusView): Found {
  if (set.error === undefined) return good(`${set.count} policies in force, version ${set.version}`);
  return bad(`${set.error.code} ${set.error.message.split('\n', 1)[0] ?? ''}`, set.error.fix);
}

/** Nothing loaded must be refused as a set, and deny as a state. INVARIANT I1 */
async function emptySetDenies({ publisher, gateway, now }: Examined, views: Views): Promise<Found> {
  const snapshot = publisher.current();
  const none = await admitted([], 0, snapshot.world);
  if (!(none instanceof Refusal)) return bad('an empty policy set was admitted', 'stop `cordon up` and report this');
  const agent = views.agents()[0]?.name ?? 'nobody';
  const subject = { type: 'agent', id: agent, spiffeId: views.agentId(agent) } as const;
  const request: AccessRequest = { subject, action: { name: 'tools/list' }, resource: { type: 'mcp_server', id: 'doctor' }, context: {} };
  const { verdict, code } = decide({ ...snapshot, policies: none }, { request }, now(), gateway.pep.settings).decision;
  const detail = `${none.code} ${none.message}; a call gets ${verdict} ${code ?? ''}`;
  return none.code === 'CORDON-9007' && verdict !== 'allow' ? good(detail.trimEnd()) : bad(detail, 'stop `cordon up` and report this');
}

/** The untouched copy verifies, and with one bit changed it does not. */
async function tampering(parts: Examined): Promise<Found> {
  const work = await mkdtemp(join(tmpdir(), 'cordon-doctor-'));
  try {
    const whole = parts.log.size <= MOST_COPIED;
    const { dir, key } = whole ? await copyOf(parts, join(work, 'copy')) : await sample(join(work, 'sample'));
    const what = whole ? 'a copy of the log' : `a small log made now, because this one has ${parts.log.size} entries`;
    const untouched = await resultOf(dir, key);
    if (untouched !== 'VERIFIED') return bad(`${what} says ${untouched}`, 'keep it as evidence, and look: cordon audit verify');
    await flipBit(await anEntryBundle(dir));
    const touched = await resultOf(dir, key);
    const detail = `${what}: VERIFIED; with one bit changed: ${touched}`;
    return touched === 'VERIFIED' ? bad(detail, 'report this: the verifier does not verify') : good(detail);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

const resultOf = async (dir: string, key: string): Promise<VerifyResult> => (await verifyLog(tilesAt(dir), parseVerifierKey(key))).result;

/** Checkpoint and tiles, nothing else: reading `lock` in this process would drop the lock (log-lock.ts). */
async function copyOf({ log, gateway, data }: Examined, dir: string): Promise<{ dir: string; key: string }> {
  await log.checkpoint();
  const from = data.log(gateway.pep.id);
  for (let tries = 1; ; tries++) {
    try {
      await cp(join(from, 'checkpoint'), join(dir, 'checkpoint'));
      await cp(join(from, 'tile'), join(dir, 'tile'), { recursive: true, filter: (path) => !path.endsWith('.tmp') });
      return { dir, key: log.verifierKey };
    } catch (error) {
      // a partial tile may give way to a full one while it is copied
      if (tries === 3) throw error;
      await rm(dir, { recursive: true, force: true });
    }
  }
}

async function sample(dir: string): Promise<{ dir: string; key: string }> {
  const log = await openDecisionLog({ dir, origin: 'cordon/doctor', signer: generateEd25519().signer, onFault: () => undefined });
  for (let entry = 0; entry < 3; entry++) {
    log.append({ schema: 'cordon.act/v1', ts: '2026-01-01T00:00:00.000Z', actor: 'doctor', act: 'sample', target: String(entry) });
  }
  await log.close();
  return { dir, key: log.verifierKey };
}

async function anEntryBundle(dir: string): Promise<string> {
  const entries = await readdir(join(dir, 'tile', 'entries'), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const [first] = files;
  if (first === undefined)
    throw new Refusal('CORDON-9004', 'the log has no entries yet', { fix: 'run the doctor again after the first call' });
  // of partial bundles the largest is the one that the checkpoint speaks for
  const sizes = await Promise.all(files.map(async (file) => ({ file, size: (await stat(file)).size })));
  return sizes.reduce((largest, one) => (one.size > largest.size ? one : largest)).file;
}

async function flipBit(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const byte = Buffer.alloc(1);
    const { size } = await file.stat();
    const at = Math.floor(size / 2);
    await file.read(byte, 0, 1, at);
    byte[0] = (byte[0] ?? 0) ^ 1;
    await file.write(byte, 0, 1, at);
  } finally {
    await file.close();
  }
}

/** INVARIANT I6 */
async function offIsSilent(views: Views): Promise<Found> {
  const offNow = (): readonly AgentView[] => views.agents().filter(({ level }) => level === 'off');
  const connected = (): readonly AgentView[] => offNow().filter(({ connections }) => connections > 0);
  // an agent that tries again is told why and let go: only a connection that stays is one
  for (let looks = 0; connected().length > 0 && looks < OFF_LOOKS; looks++) await sleep(OFF_LOOK_MS);
  const [off, loud] = [offNow(), connected()];
  if (loud.length > 0) return bad(`still connected: ${loud.map(({ name }) => name).join(', ')}`, 'stop their processes, and report this');
  return good(off.length === 0 ? 'none is off' : `${off.length} off, none connected`);
}

async function database(path: string): Promise<Found> {
  await stat(path); // opening would make a new one in its place
  const store = await openSqliteStore(path);
  try {
    const began = performance.now();
    const runs = await store.activeRuns();
    return good(`${runs.length} runs read in ${(performance.now() - began).toFixed(1)} ms`);
  } finally {
    await store.close();
  }
}

async function diskSpace(root: string): Promise<Found> {
  const { bavail, bsize } = await statfs(root);
  const free = bavail * bsize;
  const detail = free > 10 * 1024 * MIB ? `${Math.floor(free / MIB / 1024)} GiB free` : `${Math.floor(free / MIB)} MiB free`;
  return free > LEAST_FREE ? good(detail) : bad(detail, 'free some: when the log cannot record, every call is denied (CORDON-9004)');
}

const PRIVATE: readonly (readonly [path: string, mode: number])[] = [
  ['', 0o700],
  ['seal.key', 0o600],
  ['seal.key.wrapped', 0o600],
  ['cordon.db', 0o600],
  ['operator/credentials.json', 0o600],
];

/** Is what Cordon keeps readable by its owner alone? Also without a running Cordon. */
export const dataDirCheck = (root: string): Promise<Check> => check('store', 'data directory', () => ownerOnly(root));

async function ownerOnly(root: string): Promise<Found> {
  const lax: string[] = [];
  for (const [path, mode] of PRIVATE) {
    const file = join(root, path);
    const found = await stat(file).catch(() => undefined);
    if (found === undefined && path === '') return bad(`\`${root}\` is not there`, 'start Cordon once: cordon up');
    if (found !== undefined && (found.mode & 0o777 & ~mode) !== 0) lax.push(`chmod ${mode.toString(8)} ${file}`);
  }
  const key = process.env['CORDON_SEAL_KEY'];
  const where = key === undefined ? 'seal key beside the data' : 'seal key from CORDON_SEAL_KEY';
  if (process.platform === 'win32') return good(`${root}, modes not checked on Windows, ${where}`);
  return lax.length === 0 ? good(`${root} for its owner alone, ${where}`) : bad(`others may read ${lax.length} of it`, lax.join(' && '));
}
