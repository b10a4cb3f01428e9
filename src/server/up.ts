// Composition root: every `new` of a running Cordon, in the order in which one part needs the next, and the reverse when it stops.
import { ed25519FromPem, generateEd25519, type Ed25519Signer } from '../crypto/ed25519.ts';
import { sealer as sealerOf, type Sealer } from '../crypto/seal.ts';
import { randomSerial } from '../crypto/random.ts';
import { createControlApi, createIdentityApi } from '../control/api.ts';
import { createBypassRecorder } from '../control/bypass.ts';
import { createCatalog } from '../control/catalog.ts';
import type { Config } from '../control/config.ts';
import type { Control } from '../control/control.ts';
import { createDecisionIndex } from '../control/decisions.ts';
import { createIssuer } from '../control/issuer.ts';
import { openAuthority } from '../control/keys.ts';
import { compilerOf, readPolicies } from '../control/policies.ts';
import { createPublisher } from '../control/publisher.ts';
import { Refusal } from '../domain/refusal.ts';
import type { WorkloadKind } from '../domain/spiffe-id.ts';
import type { Credentials } from '../gateway/channel.ts';
import { createGateway, type Gateway } from '../gateway/gateway.ts';
import { openDecisionLog } from '../store/log-files.ts';
import type { Sealed, Store } from '../store/ports.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import { viewsOf } from './views.ts';
import { openDataDir, writePrivate, type DataDir } from './data-dir.ts';
import { createRotation } from './rotation.ts';
import { buildUpstreams } from './upstreams.ts';
import { VERSION } from './version.ts';

export interface UpOptions {
  readonly config: Config;
  readonly dataDir: string;
  /** Told of what an operator should see: a line, no secrets. */
  readonly onNotice: (line: string) => void;
  /** Milliseconds since the epoch; tests move it. */
  readonly now?: () => number;
}

export interface Running {
  readonly control: Control;
  readonly gateway: Gateway;
  readonly data: DataDir;
  close(): Promise<void>;
}

const PEP = 'gateway-1';
const OPERATOR_TTL = 12 * 3_600_000;

/** Starts Cordon. @throws Refusal CORDON-9006, CORDON-9004 */
export async function up(options: UpOptions): Promise<Running> {
  const { config, onNotice, now = Date.now } = options;
  const stack = new AsyncDisposableStack();
  try {
    const data = await openDataDir(options.dataDir);
    const sealer = sealerOf(await data.sealKey());
    const store = await openSqliteStore(data.database);
    stack.defer(() => store.close());
    const log = await openDecisionLog({
      dir: data.log(PEP),
      origin: `${config.trustDomain}/log/${PEP}`,
      signer: await logSigner(store, sealer),
      onFault: (fault) => onNotice(`x ${fault.code} ${fault.message}`),
    });
    stack.defer(() => log.close());
    const authority = await openAuthority(store, sealer, { trustDomain: config.trustDomain, now: now(), serial: randomSerial });
    const publisher = createPublisher(config, now);
    const issuer = createIssuer({
      authority,
      store,
      log,
      now,
      ttl: config.svidTtl,
      isRegistered: registered(config),
      mayRenew: (run) => {
        if (publisher.world().levels.get(run.name) === 'off') throw new Refusal('CORDON-4002', 'level `off`: no SVID is renewed');
      },
      onIssued: (run, svid) => {
        if (run.kind !== 'agent') return;
        publisher.setRun(run.id, { agent: run.name, notAfter: svid.notAfter });
        publisher.publish();
      },
    });
    await restore(store, publisher);
    const decisions = createDecisionIndex(store, sealer, publisher.current, (error) => onNotice(`! decision index: ${error instanceof Error ? error.message : 'failed'}`));
    stack.defer(() => decisions.close());

    const gatewayKeys = createRotation(() => issuer.own('gateway', PEP, config.svidTtl), now);
    const controlKeys = createRotation(() => issuer.own('control', 'control-1', config.svidTtl), now);
    const operatorKeys = createRotation(() => issuer.own('operator', 'local', OPERATOR_TTL), now);
    await Promise.all([gatewayKeys.start(), controlKeys.start(), operatorKeys.start()]);
    stack.defer(() => [gatewayKeys, controlKeys, operatorKeys].forEach((keys) => keys.stop()));

    const client = { name: 'cordon', version: VERSION };
    const upstreams = await buildUpstreams({
      config,
      store,
      sealer,
      client,
      channel: { trustDomain: config.trustDomain, credentials: gatewayKeys.current, now, timeoutMs: 20_000 },
      onStderr: () => undefined,
    });
    const urlOf = (address: { host: string; port: number }): string => `https://${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
    const gateway = createGateway(
      {
        id: PEP,
        version: VERSION,
        trustDomain: config.trustDomain,
        publicUrl: urlOf(config.listen.gateway),
        settings: { maxStaleness: config.maxStaleness, maxBodyBytes: config.limits.bodyBytes, maxReplyBytes: 16_777_216, maxDepth: 64 },
        limits: config.limits,
        log,
        now,
        upstreams,
        onRecorded: decisions.add,
      },
      gatewayKeys.current(),
    );
    stack.defer(() => gateway.close());
    publisher.attach({ id: PEP, apply: gateway.apply, contain: gateway.contain });

    let compile = compilerOf(await readPolicies(config.policies));
    const admitPolicies = (): void => {
      publisher.setPolicies(compile);
      publisher.publish();
    };
    const catalog = createCatalog({
      resources: config.resources.map((resource) => resource.name),
      source: { listTools: (resource, signal) => toolsOf(gateway, resource, signal) },
      pins: store,
      publisher,
      log,
      now,
      onChange: admitPolicies,
    });
    const reportBypass = createBypassRecorder({ log, decisions, now, version: VERSION });
    const control: Control = {
      config,
      store,
      levels: store,
      publisher,
      issuer,
      catalog,
      decisions,
      log,
      now,
      gatewayUrl: urlOf(config.listen.gateway),
      controlUrl: urlOf(config.listen.control),
      identityUrl: urlOf(config.listen.identity),
      ...viewsOf({ config, publisher, gateway, catalog, log, data, now, bundle: authority.root, operator: operatorKeys.current, intermediate: authority.intermediate.certificate }),
      async reloadPolicies(actor) {
        compile = compilerOf(await readPolicies(config.policies));
        log.append({ schema: 'cordon.act/v1', ts: new Date(now()).toISOString(), actor, act: 'policy.reload', target: config.policies });
        admitPolicies();
        const { policies } = publisher.current();
        if (policies instanceof Refusal) throw policies;
        return { schema: 'cordon.policies/v1', version: policies.version, count: policies.policies.length };
      },
      async endRun(id, actor) {
        const ended = await issuer.endRun(id, actor);
        publisher.endRun(id);
        publisher.publish();
        return ended;
      },
      reportBypass: async (reporter, peer) => reportBypass(reporter, peer),
    };
    const controlApi = createControlApi(() => control, controlKeys.current());
    const identityApi = createIdentityApi(() => control, controlKeys.current());
    gatewayKeys.onRotate((keys) => gateway.rotate(keys));
    controlKeys.onRotate((keys) => [controlApi, identityApi].forEach((api) => api.rotate(keys)));
    await controlApi.listen(config.listen.control.host, config.listen.control.port).catch(portTaken('control', config));
    stack.defer(() => controlApi.close());
    await identityApi.listen(config.listen.identity.host, config.listen.identity.port).catch(portTaken('identity', config));
    stack.defer(() => identityApi.close());
    await gateway.listen(config.listen.gateway.host, config.listen.gateway.port).catch(portTaken('gateway', config));
    const saveOperator = (keys: Credentials): Promise<void> => writeOperator(data, keys, control);
    await saveOperator(operatorKeys.current());
    operatorKeys.onRotate((keys) => void saveOperator(keys));
    await catalog.start();
    stack.defer(() => catalog.stop());
    const heartbeat = setInterval(publisher.heartbeat, config.maxStaleness / 4).unref();
    stack.defer(() => clearInterval(heartbeat));
    const owned = stack.move();
    return { control, gateway, data, close: () => owned.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** Levels and runs survive a restart: what was `off` stays off. INVARIANT I6 */
async function restore(store: Store, publisher: ReturnType<typeof createPublisher>): Promise<void> {
  for (const change of await store.currentLevels()) publisher.setLevel(change.agent, change.level);
  for (const run of await store.activeRuns()) {
    const [newest] = await store.certificatesOf(run.id, 1);
    if (run.kind === 'agent' && newest !== undefined) publisher.setRun(run.id, { agent: run.name, notAfter: newest.notAfter });
  }
}

const registered =
  (config: Config) =>
  (kind: WorkloadKind, name: string): boolean =>
    kind === 'agent' ? config.agents.some((agent) => agent.name === name) : kind === 'resource' && config.resources.some((resource) => resource.name === name);

const LOG_KEY = `log/${PEP}`;

async function logSigner(store: Sealed, sealer: Sealer): Promise<Ed25519Signer> {
  const sealed = await store.getSealed(LOG_KEY);
  if (sealed !== undefined) return ed25519FromPem(Buffer.from(sealer.open(LOG_KEY, sealed)).toString('utf8'));
  const { pem, signer } = generateEd25519();
  await store.putSealed(LOG_KEY, sealer.seal(LOG_KEY, Buffer.from(pem)));
  return signer;
}

function toolsOf(gateway: Gateway, resource: string, signal: AbortSignal): ReturnType<NonNullable<ReturnType<Gateway['pep']['upstreams']['mcp']>>['listTools']> {
  const upstream = gateway.pep.upstreams.mcp(resource);
  if (upstream === undefined) throw new Refusal('CORDON-9010', `\`${resource}\` has no upstream`);
  return upstream.listTools(signal);
}

const portTaken =
  (which: 'gateway' | 'control' | 'identity', config: Config) =>
  (cause: unknown): never => {
    const { host, port } = config.listen[which];
    const taken = (cause as { code?: string }).code === 'EADDRINUSE';
    throw new Refusal('CORDON-9006', taken ? `\`${host}:${port}\` is in use` : `cannot listen on \`${host}:${port}\``, {
      cause,
      fix: `stop what listens there, or set \`listen.${which}\` in cordon.yaml`,
    });
  };

async function writeOperator(data: DataDir, keys: Credentials, control: Control): Promise<void> {
  const { chain, privateKey, bundle } = keys;
  await writePrivate(`${data.operator}/credentials.json`, JSON.stringify({ chain, privateKey, bundle, control: control.controlUrl, pid: process.pid }));
}

