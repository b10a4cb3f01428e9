// The control plane of a running Cordon: the policies in force, the tools that are known, and what its routes reach.
import { createCatalog, type Catalog } from '../control/catalog.ts';
import type { Control, PoliciesView } from '../control/control.ts';
import type { DecisionIndex } from '../control/decisions.ts';
import { compilerOf, readPolicies } from '../control/policies.ts';
import type { Publisher } from '../control/publisher.ts';
import { createRefusalRecorder } from '../control/refusals.ts';
import type { JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Gateway } from '../gateway/gateway.ts';
import type { Identities } from './identities.ts';
import { urlOf, type Setting } from './setting.ts';
import type { State } from './state.ts';
import { VERSION } from './version.ts';
import { viewsOf } from './views.ts';

export interface AdministrationParts {
  readonly setting: Setting;
  readonly state: State;
  readonly publisher: Publisher;
  readonly identities: Identities;
  readonly decisions: DecisionIndex;
  readonly gateway: Gateway;
}

/** Reads the policies and builds what the routes of the control plane reach. @throws Refusal CORDON-9006, CORDON-9007 */
export async function buildAdministration(parts: AdministrationParts): Promise<Control> {
  const { setting, state, publisher, identities, decisions, gateway } = parts;
  const { config, now } = setting;
  const { store, log, authority, data } = state;
  const policies = await openPolicies(parts);
  const catalog = catalogOf(parts, policies.admit);
  const recorder = createRefusalRecorder({ log, decisions, now, version: VERSION });
  const views = viewsOf({
    config,
    publisher,
    gateway,
    catalog,
    log,
    data,
    now,
    bundle: authority.current().root,
    operator: identities.operator.current,
    get intermediate(): string {
      return authority.current().intermediate.certificate;
    },
  });
  return {
    config,
    store,
    levels: store,
    publisher,
    issuer: identities.issuer,
    catalog,
    decisions,
    log,
    now,
    gatewayUrl: urlOf(config.listen.gateway),
    controlUrl: urlOf(config.listen.control),
    identityUrl: urlOf(config.listen.identity),
    ...views,
    reloadPolicies: policies.reload,
    endRun: (id, actor) => endRun(parts, id, actor),
    refused: (request) => recorder.refused(request),
    reportBypass: async (reporter, peer) => recorder.bypassed(reporter, peer),
  };
}

interface Policies {
  /** Compiles the set against the tools that are known now, and publishes it. */
  readonly admit: () => void;
  /**
   * Reads the directory again, and does the same. A set that is not valid is refused whole and the one in force stays; no policy at all
   * is an order like any other, and denies everything. @throws Refusal CORDON-9006, CORDON-9007
   */
  readonly reload: (actor: string) => Promise<PoliciesView>;
}

async function openPolicies({ setting, state, publisher }: AdministrationParts): Promise<Policies> {
  const { config, now } = setting;
  let compile = compilerOf(await readPolicies(config.policies));
  const admit = (): void => {
    publisher.setPolicies(compile);
    publisher.publish();
  };
  return {
    admit,
    async reload(actor): Promise<PoliciesView> {
      const next = compilerOf(await policiesOrNone(config.policies));
      const ts = new Date(now()).toISOString();
      state.log.append({ schema: 'cordon.act/v1', ts, actor, act: 'policy.reload', target: config.policies });
      refuseInvalid(() => next(publisher.world(), 0));
      compile = next;
      admit();
      const { policies } = publisher.current();
      if (policies instanceof Refusal) throw policies;
      return { schema: 'cordon.policies/v1', version: policies.version, count: policies.policies.length };
    },
  };
}

const isNone = (error: unknown): boolean => error instanceof Refusal && error.code === 'CORDON-9007';

async function policiesOrNone(directory: string): ReturnType<typeof readPolicies> {
  try {
    return await readPolicies(directory);
  } catch (error) {
    if (isNone(error)) return [];
    throw error;
  }
}

/** Tries a set before anything changes. @throws Refusal CORDON-9006 */
function refuseInvalid(compile: () => unknown): void {
  try {
    compile();
  } catch (error) {
    if (!isNone(error)) throw error;
  }
}

const catalogOf = ({ setting, state, publisher, gateway }: AdministrationParts, onChange: () => void): Catalog =>
  createCatalog({
    resources: setting.config.resources.map((resource) => resource.name),
    source: { listTools: (resource, signal) => listTools(gateway, resource, signal) },
    pins: state.store,
    publisher,
    log: state.log,
    now: setting.now,
    onChange,
  });

function listTools({ pep }: Gateway, resource: string, signal: AbortSignal): Promise<readonly JsonObject[]> {
  const upstream = pep.upstreams.mcp(resource);
  if (upstream === undefined) throw new Refusal('CORDON-9010', `\`${resource}\` has no upstream`);
  return upstream.listTools(signal);
}

/** The run is ended in the store first: a renewal that began before finds it ended here, one that begins later finds it there. */
async function endRun({ identities, publisher }: AdministrationParts, id: string, actor: string): Promise<boolean> {
  const ended = await identities.issuer.endRun(id, actor);
  publisher.endRun(id);
  publisher.publish();
  return ended;
}
