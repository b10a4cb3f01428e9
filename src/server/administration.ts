// The control plane of a running Cordon: the policies in force, the tools that are known, and what its routes reach.
import { createAttestation } from '../control/attestation.ts';
import { createCatalog, type Catalog } from '../control/catalog.ts';
import type { Control } from '../control/control.ts';
import type { DecisionIndex } from '../control/decisions.ts';
import { DecisionCheck } from '../control/decision-check.ts';
import { createPolicyAnalysis } from '../control/policy-analysis.ts';
import { createPolicyLedger } from '../control/policy-ledger.ts';
import { createPolicyRollout } from '../control/policy-rollout.ts';
import { historyView, policiesView } from '../control/policy-views.ts';
import type { GrantDesk } from '../control/grants.ts';
import type { Publisher } from '../control/publisher.ts';
import { createRefusalRecorder } from '../control/refusals.ts';
import { Draws } from '../crypto/random.ts';
import { Refusal } from '../domain/refusal.ts';
import { kindOf } from '../domain/registry.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { listOffers } from '../gateway/mcp-offers.ts';
import type { McpUpstream } from '../gateway/upstreams.ts';
import type { ApprovalWebhook } from './approval-webhook.ts';
import { openAuthzen } from './authzen.ts';
import { startFederation } from './federation.ts';
import type { Identities } from './identities.ts';
import type { Interception } from './interception.ts';
import { openTokens } from './oauth.ts';
import { openOperators } from './operators.ts';
import { readTables } from './policy-tables.ts';
import { urlOf, type Setting } from './setting.ts';
import type { State } from './state.ts';
import { VERSION } from './version.ts';
import { viewsOf } from './views.ts';
import { openWorkload } from './workload.ts';
import type { WorkerPool } from './workers/pool.ts';

export interface AdministrationParts {
  readonly setting: Setting;
  readonly state: State;
  readonly publisher: Publisher;
  readonly identities: Identities;
  readonly decisions: DecisionIndex;
  readonly grants: GrantDesk;
  readonly webhook: ApprovalWebhook | undefined;
  readonly gateway: Gateway;
  readonly interception: Interception | undefined;
  readonly workers?: WorkerPool | undefined;
}

/** Reads the policies and builds what the routes of the control plane reach. @throws Refusal CORDON-9006, CORDON-9007 */
export async function buildAdministration(parts: AdministrationParts, stack: AsyncDisposableStack): Promise<Control> {
  const { setting, state, publisher, identities, decisions, gateway } = parts;
  const { config, now } = setting;
  const { store, log, authority, data } = state;
  const ledger = createPolicyLedger({ store, sealer: state.sealer, signer: state.policySigner });
  const { policies: directory } = config;
  const check = watchDecisions(parts);
  stack.defer(() => check.close());
  const watched = { world: publisher.world, publish: () => publisher.publish(), setPolicies: check.setPolicies.bind(check) };
  const judged = { directory, readTables, ledger, decisions };
  const rollout = createPolicyRollout({ ...state, ...judged, publisher: watched, now, onNotice: setting.onNotice });
  await rollout.start();
  const catalog = catalogOf(parts, () => rollout.refresh());
  const recorder = createRefusalRecorder({ log, decisions, now, version: VERSION });
  const tokens = openTokens(setting, state);
  const federation = await startFederation(setting, state, publisher, stack);
  const attestation = createAttestation({
    ...identities,
    tokens: store,
    log,
    now,
    issuers: config.attestation.issuers,
    keys: tokens.issuerKeys,
    audience: urlOf(config.listen.identity),
    verifySvid: (chain) => federation.verifySvid(chain),
    refused: (request) => recorder.refused(request),
  });
  const views = viewsOf({
    config,
    publisher,
    gateway,
    workers: parts.workers,
    catalog,
    log,
    data,
    now,
    authority,
    operator: identities.operator.current,
    federated: federation.domains,
    webhook: parts.webhook,
  });
  return {
    config,
    store,
    levels: store,
    publisher,
    issuer: identities.issuer,
    authority,
    interceptionRoot: parts.interception?.root,
    catalog,
    decisions,
    log,
    now,
    gatewayUrl: urlOf(config.listen.gateway),
    controlUrl: urlOf(config.listen.control),
    identityUrl: urlOf(config.listen.identity),
    ...views,
    authzen: await openAuthzen(config.authzen),
    operators: await openOperators(parts),
    tokens,
    grants: parts.grants,
    attestation,
    federation,
    workload: await openWorkload(
      { ...parts, attestation, recorder, federated: federation.bundles, endRun: (id, actor) => endRun(parts, id, actor) },
      stack,
    ),
    rollout,
    analysis: createPolicyAnalysis({ ...state, ledger, directory, publisher, decisions }),
    policies: async () => ({ ...(await policiesView({ rollout, ledger, decisions: store, directory })), check: check.view() }),
    policyHistory: (limit) => historyView({ ledger }, limit),
    endRun: (id, actor) => endRun(parts, id, actor),
    refused: (request) => recorder.refused(request),
    reportBypass: async (reporter, peer) => recorder.bypassed(reporter, peer),
  };
}

/** The share of decisions that the official engine decides again. */
const CHECKED = 0.01;

function watchDecisions({ setting, state, publisher }: AdministrationParts): DecisionCheck {
  const draws = new Draws();
  const { now, onNotice } = setting;
  return new DecisionCheck({ sample: CHECKED, random: () => draws.next(), publisher, log: state.log, now, onNotice });
}

const catalogOf = ({ setting, state, publisher, gateway }: AdministrationParts, onChange: () => Promise<void>): Catalog =>
  createCatalog({
    resources: setting.config.resources.filter((resource) => kindOf(resource) === 'mcp').map(({ name }) => name),
    source: {
      listTools: async (resource, signal) => upstreamOf(gateway, resource).listTools(signal),
      listOffers: async (resource, signal) => listOffers(upstreamOf(gateway, resource), signal),
    },
    pins: state.store,
    publisher,
    log: state.log,
    now: setting.now,
    onChange,
  });

function upstreamOf({ pep }: Gateway, resource: string): McpUpstream {
  const upstream = pep.upstreams.mcp(resource);
  if (upstream === undefined) throw new Refusal('CORDON-9010', `\`${resource}\` has no upstream`);
  return upstream;
}

/** The run is ended in the store first: a renewal that began before finds it ended here, one that begins later finds it there. */
async function endRun({ identities, publisher }: AdministrationParts, id: string, actor: string): Promise<boolean> {
  const ended = await identities.issuer.endRun(id, actor);
  publisher.endRun(id);
  publisher.publish();
  return ended;
}
