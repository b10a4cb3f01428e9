// Routes of who is registered and of what attests it: agents, entries, tokens for other hosts, postures; and attestation itself.
import * as z from 'zod';
import { LEVELS } from '../domain/access.ts';
import type { Json, JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { parseComposition } from '../identity/composition.ts';
import type { Registered, RegistrationEntry } from '../identity/registration.ts';
import { MAX_SELECTOR, MAX_SELECTORS, parseSelector } from '../identity/selectors.ts';
import type { Run } from '../store/ports.ts';
import type { Posture } from './attest/posture.ts';
import type { Attestation, Evidence, LauncherEvidence } from './attestation.ts';
import type { AgentView, Control } from './control.ts';
import { csr, inputOf, name, none, reason, runId } from './input.ts';
import { route, type Asked, type RouteRow } from './route.ts';
import { setLevel } from './containment.ts';
import { delegatedThrough } from './delegated.ts';

const kind = z.enum(['agent', 'resource']);
const entryName = z.string().regex(/^(ent|cfg)_[0-9A-Za-z]{4,32}$/, 'an entry as `cordon agent get` shows it');
const hex = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256: 64 hex digits, lower case');
const short = z.string().trim().min(1).max(300);
/** Read strictly by `parseComposition`. */
const composition = z.record(z.string().max(40), z.string().max(200)).default({});
const MAX_TTL = 86_400_000;
const MOST_WAITING = 100;

const registration = z.strictObject({
  name,
  kind: kind.default('agent'),
  segment: name.exactOptional(),
  owner: short.exactOptional(),
  purpose: short.exactOptional(),
  selectors: z.array(z.string().max(MAX_SELECTOR)).max(MAX_SELECTORS).default([]),
  /** Milliseconds. */
  ttl: z.int().min(10_000).max(MAX_TTL).exactOptional(),
  composition,
});
const removal = z.strictObject({ agent: name, reason, dry_run: z.enum(['true', 'false']).default('false') });
const leaving = z.strictObject({ entry: entryName, name, reason });
const level = z.strictObject({ agent: name, level: z.enum(LEVELS), reason });
const making = z.strictObject({ agent: name, kind: kind.default('agent'), ttl: z.int().min(1000).max(MAX_TTL) });

/** What `cordon run` saw of what it is about to start. */
export const LAUNCHER = z.strictObject({
  uid: z.int().min(0).max(4_294_967_294).exactOptional(),
  digest: hex.exactOptional(),
  script: hex.exactOptional(),
  locks: z.array(hex).max(16).default([]),
  parent: z.string().max(1000).exactOptional(),
});
const launching = z.strictObject({
  kind,
  name,
  launcher: LAUNCHER.exactOptional(),
  /** What it is started for. */
  task: z.string().trim().min(1).max(8_000).exactOptional(),
});

export const AGENT_ROUTES: readonly RouteRow[] = [
  route(['GET', '/v1/agents', 'viewer'], none, ({ control }) => ({ schema: 'cordon.agents/v1', items: control.agents() })),
  route(['POST', '/v1/agents', 'operator'], registration, register),
  route(['GET', '/v1/agents/:agent', 'viewer'], z.strictObject({ agent: name }), ({ control, input }) => agentDetail(control, input.agent)),
  route(['DELETE', '/v1/agents/:agent', 'operator'], removal, remove),
  route(['POST', '/v1/agents/:agent/level', 'analyst'], level, changeLevel),
  route(['POST', '/v1/agents/:agent/tokens', 'operator'], making, makeToken),
  route(['POST', '/v1/agents/:agent/approve', 'operator'], z.strictObject({ agent: name, run: runId, reason }), approve),
  route(['DELETE', '/v1/entries/:entry', 'operator'], leaving, removeEntry),
  route(['POST', '/v1/runs', 'operator'], launching, launch),
  route(
    ['POST', '/v1/runs/:run/posture', 'operator'],
    z.strictObject({ run: runId, composition, reason }),
    async ({ control, caller, input }) => {
      const seen = parseComposition(input.composition);
      return postureView(control, await control.attestation.postures.attest(input.run, seen, caller.workload.id, input.reason));
    },
  ),
  route(['POST', '/v1/posture', 'workload'], z.strictObject({ composition }), async ({ control, caller, input }) => {
    const posture = await control.attestation.postures.report(caller.workload.run ?? '', parseComposition(input.composition));
    return { schema: 'cordon.posture/v1', run: posture.runId, composition: { ...posture.composition }, drift: [...posture.drift] };
  }),
];

/** What hung on the agent before and hangs on it no longer is told by the rule that decides whether a token lives. */
async function changeLevel({ control, caller, input }: Asked<z.infer<typeof level>>): Promise<JsonObject> {
  const before = delegatedThrough(control, input.agent);
  const result = await setLevel(control, { ...input, actor: caller.workload.id });
  const { tokens } = delegatedThrough(control, input.agent);
  return { schema: 'cordon.level/v1', ...result, delegated: { before, dead: Math.max(0, before.tokens - tokens) } };
}

async function register({ control, caller, input }: Asked<z.infer<typeof registration>>): Promise<JsonObject> {
  const { selectors, composition: parts, ...order } = input;
  const result = await control.attestation.registry.register({
    ...order,
    selectors: selectors.map(parseSelector),
    composition: parseComposition(parts),
    actor: caller.workload.id,
  });
  return {
    schema: 'cordon.registration/v1',
    kind: input.kind,
    name: input.name,
    added: { ...result.added },
    ...(result.entry === undefined ? {} : { entry: entryView(result.entry) }),
  };
}

/** One agent as it is registered, with its runs and what is known of them. @throws Refusal CORDON-1014 */
async function agentDetail(control: Control, agent: string): Promise<JsonObject> {
  const { registry } = control.attestation;
  const { source, createdBy } = registry.agents().find((each) => each.name === agent) ?? {};
  const { runs, ...view } = viewOf(control, agent);
  return {
    schema: 'cordon.agent/v1',
    spiffe_id: control.agentId(agent),
    ...view,
    source: source ?? 'config',
    created_by: createdBy ?? 'cordon.yaml',
    entries: registry.entries().of({ kind: 'agent', name: agent }).map(entryView),
    runs: runs.map(({ id, notAfter, risk }) => {
      const posture = control.attestation.postures.of(id);
      return { id, notAfter, risk, ...(posture === undefined ? {} : { posture: postureView(control, posture) }) };
    }),
    waiting: await waitingRuns(control, agent),
    delegated: delegatedThrough(control, agent),
  };
}

/** Runs that were started and have had no SVID yet, newest first: what started them has not asked for one. */
async function waitingRuns({ store }: Control, agent: string): Promise<readonly JsonObject[]> {
  const started = (await liveRuns({ store }, { kind: 'agent', name: agent })).toReversed().slice(0, MOST_WAITING);
  const rows = await Promise.all(started.map(async (run) => ({ ...run, svids: await store.certificatesOf(run.id, 1) })));
  return rows.filter(({ svids }) => svids.length === 0).map(({ id, createdAt }) => ({ id, started_at: createdAt }));
}

function viewOf(control: Control, agent: string): AgentView {
  const found = control.agents().find((each) => each.name === agent);
  if (found !== undefined) return found;
  throw new Refusal('CORDON-1014', `no agent is registered as \`${agent}\``, { fix: 'list them: `cordon agent list`' });
}

const entryView = ({
  id,
  selectors,
  ttl,
  owner,
  purpose,
  composition: parts,
  source,
  createdBy,
  createdAt,
}: RegistrationEntry): JsonObject => ({
  id,
  selectors: [...selectors],
  ...(ttl === undefined ? {} : { ttl }),
  owner,
  purpose,
  composition: { ...parts },
  source,
  created_by: createdBy,
  ...(createdAt === undefined ? {} : { created_at: createdAt }),
});

function postureView({ attestation }: Control, posture: Posture): JsonObject {
  const { runId: run, attestor, entryId, selectors, owner, purpose, composition: parts, drift, at } = posture;
  const expected = entryId === undefined ? undefined : attestation.registry.entries().get(entryId)?.composition;
  return {
    schema: 'cordon.posture/v1',
    run,
    attestor,
    ...(entryId === undefined ? {} : { entry: entryId }),
    selectors: [...selectors],
    owner,
    purpose,
    composition: { ...parts },
    ...(expected === undefined ? {} : { expected: { ...expected } }),
    drift: [...drift],
    at,
  };
}

/** Takes an agent away. What loses access with it is said before and after: what it reaches, its entries, and its runs, which end. */
async function remove({ control, caller, input }: Asked<z.infer<typeof removal>>): Promise<JsonObject> {
  const { agent } = input;
  const dryRun = input.dry_run === 'true';
  const detail = await agentDetail(control, agent);
  const loses = await reachOf(control, agent);
  if (!dryRun) {
    await control.attestation.registry.remove(agent, caller.workload.id, input.reason);
    for (const { id } of await liveRuns(control, { kind: 'agent', name: agent })) await control.endRun(id, caller.workload.id);
  }
  const { entries, runs, connections } = detail;
  return {
    schema: 'cordon.removal/v1',
    agent,
    removed: !dryRun,
    entries: entries ?? [],
    runs: runs ?? [],
    connections: connections ?? 0,
    loses,
  };
}

/** What it may call, by itself; empty where no policies are in force: then it may call nothing. */
async function reachOf(control: Control, agent: string): Promise<Json> {
  try {
    const { before } = await control.analysis.blast({ subject: `agent:${agent}`, limit: 200 });
    const own = before.reaches.find(({ path }) => path.length === 1);
    return (own?.reaches ?? []).map(({ action, resource, access }) => ({ action, resource, access }));
  } catch (error) {
    if (error instanceof Refusal) return [];
    throw error;
  }
}

const liveRuns = async ({ store }: Pick<Control, 'store'>, who: Registered): Promise<readonly Run[]> =>
  (await store.activeRuns()).filter((each) => each.kind === who.kind && each.name === who.name);

/** Takes an entry away, and ends the runs that it let in. */
async function removeEntry({ control, caller, input }: Asked<z.infer<typeof leaving>>): Promise<JsonObject> {
  const { registry, postures } = control.attestation;
  const entry = await registry.removeEntry(input.entry, input.name, caller.workload.id, input.reason);
  const runs = (await liveRuns(control, entry)).filter(({ id }) => postures.of(id)?.entryId === entry.id);
  for (const { id } of runs) await control.endRun(id, caller.workload.id);
  return { schema: 'cordon.entry-removal/v1', entry: entryView(entry), name: entry.name, runs: runs.map(({ id }) => id) };
}

async function makeToken({ control, caller, input }: Asked<z.infer<typeof making>>): Promise<JsonObject> {
  const who = { kind: input.kind, name: input.agent };
  const { id, token, expiresAt } = await control.attestation.makeToken(who, input.ttl, caller.workload.id);
  const { identityUrl, issuer } = control;
  return {
    schema: 'cordon.agent-token/v1',
    agent: input.agent,
    id,
    token,
    expires_at: expiresAt,
    identity_url: identityUrl,
    bundle: issuer.bundle,
  };
}

/** What a run was seen to be made of becomes what its entry expects. */
async function approve({
  control,
  caller,
  input,
}: Asked<{ readonly agent: string; readonly run: string; readonly reason: string }>): Promise<JsonObject> {
  const { registry, postures } = control.attestation;
  const posture = postures.of(input.run);
  const live = viewOf(control, input.agent).runs.some(({ id }) => id === input.run);
  if (posture === undefined || !live)
    throw new Refusal('CORDON-1012', `\`${input.agent}\` has no attested run \`${input.run}\``, { fix: `cordon agent get ${input.agent}` });
  const entry = posture.entryId === undefined ? undefined : registry.entries().get(posture.entryId);
  const { id: actor } = caller.workload;
  if (entry !== undefined) {
    const parts = Object.fromEntries(
      Object.keys(entry.composition).map((part) => [part, Reflect.get(posture.composition, part) ?? Reflect.get(entry.composition, part)]),
    );
    await registry.expect(entry.id, parseComposition(parts), actor, input.reason);
  }
  return postureView(control, await postures.attest(input.run, {}, actor, input.reason));
}

async function launch({ control, caller, input }: Asked<z.infer<typeof launching>>): Promise<JsonObject> {
  const evidence: LauncherEvidence = { kind: 'launcher', operator: caller.workload.id, locks: [], ...input.launcher };
  const started = await control.attestation.launch({ kind: input.kind, name: input.name }, evidence, input.task);
  return {
    schema: 'cordon.run/v1',
    run: started.run.id,
    token: started.token,
    identity_url: control.identityUrl,
    bundle: control.issuer.bundle,
  };
}

const attesting = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('oidc'), token: z.string().max(16_384), agent: name.exactOptional(), csr }),
  z.strictObject({
    kind: z.literal('svid'),
    svid: z.string().max(65_536),
    proof: z.string().max(16_384),
    agent: name.exactOptional(),
    csr,
  }),
]);

/**
 * `POST /v1/attest` on the identity listener: evidence and a certificate request for the first SVID of a new run. Who is turned away hears
 * what it showed, and not what would have been right: that is on record.
 * @throws Refusal CORDON-9011, -1005, -1009, -1010, -1011, -1012, -1013, -1015
 */
export async function attest(control: Control, body: unknown): Promise<JsonObject> {
  const input = inputOf(attesting, body);
  const request = Buffer.from(input.csr, 'base64');
  const evidence: Evidence =
    input.kind === 'oidc' ? { kind: 'oidc', token: input.token } : { kind: 'svid', chain: input.svid, proof: input.proof, request };
  const wanted = input.agent === undefined ? undefined : ({ kind: 'agent', name: input.agent } as const);
  try {
    const entitlement = chosen(await control.attestation.attest(evidence, wanted));
    const { svid } = await control.attestation.admit(entitlement, request);
    if (entitlement.kind === 'resource') control.catalog.wake(entitlement.name);
    return attestReply(control, svid);
  } catch (error) {
    throw error instanceof Refusal ? forOutsiders(error) : error;
  }
}

/** The most specific; two that are equally so are a mistake of the entries that must not be settled by chance. */
function chosen(entitlements: Awaited<ReturnType<Attestation['attest']>>): (typeof entitlements)[number] {
  const [first, second] = entitlements;
  if (first === undefined) throw new Refusal('CORDON-1012', 'no registration entry matches');
  if (second === undefined || second.entry?.selectors.length !== first.entry?.selectors.length) return first;
  throw new Refusal('CORDON-1012', 'entries of several agents match: name one with `agent`');
}

/** Without what was expected, without a fix that would say it, and without what only this machine can see. */
const forOutsiders = ({ code, message, observed, row }: Refusal): Refusal =>
  new Refusal(code, message, observed === undefined || row.kind !== 'identity' ? {} : { observed });

const attestReply = (control: Control, svid: { readonly id: string; readonly chain: string; readonly notAfter: number }): JsonObject => ({
  spiffe_id: svid.id,
  svid: svid.chain,
  expires_at: svid.notAfter,
  bundle: control.issuer.bundle,
  gateway: control.gatewayUrl,
  control: control.controlUrl,
});
