// The data plane of a running Cordon, in this process: the gateway, and what the control plane tells it.
import type { ContainmentRules } from '../control/containment-rules.ts';
import type { DecisionIndex } from '../control/decisions.ts';
import type { GrantDesk } from '../control/grants.ts';
import type { Publisher } from '../control/publisher.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { buildGateway } from './gateway.ts';
import { openHabits } from './habits.ts';
import type { Identities } from './identities.ts';
import type { Interception } from './interception.ts';
import { routesIn } from './route-tools.ts';
import { urlOf, type Setting } from './setting.ts';
import type { State } from './state.ts';
import type { Vault } from './workers/vault.ts';

export interface EnforcementParts {
  readonly setting: Setting;
  readonly state: State;
  readonly publisher: Publisher;
  readonly identities: Identities;
  readonly decisions: DecisionIndex;
  readonly interception: Interception | undefined;
  readonly grants: GrantDesk;
  readonly rules: ContainmentRules;
  /** Where the secrets of upstreams rest. */
  readonly vault: Vault;
}

/** Builds the gateway and attaches it to the publisher; it does not listen yet. `stack` closes it. @throws Refusal CORDON-9006 */
export async function buildEnforcement(parts: EnforcementParts, stack: AsyncDisposableStack): Promise<Gateway> {
  const { setting, state, publisher, identities, decisions, grants, rules, vault, interception } = parts;
  const issuer = urlOf(setting.config.listen.identity);
  const gateway = await buildGateway(
    {
      setting,
      secrets: vault,
      interception,
      log: state.log,
      credentials: identities.gateway,
      isRevoked: (run) => publisher.current().revoked.runs.has(run),
      signer: state.authority.sts.current,
      stateKey: state.stateKey,
      habits: await openHabits({ ...state, agents: publisher.world().agents, onNotice: setting.onNotice }, stack),
      onRecorded: (recorded) => {
        decisions.add(recorded);
        grants.note(recorded);
        rules.note(recorded);
      },
    },
    stack,
  );
  publishRoutes(parts);
  trustTokens(parts, issuer, stack);
  publisher.attach({
    id: setting.pep,
    apply: (snapshot) => gateway.apply(snapshot),
    contain: (snapshot, target, since) => gateway.contain(snapshot, target, since),
  });
  return gateway;
}

function publishRoutes({ setting: { config, onNotice }, publisher }: EnforcementParts): void {
  for (const [api, routes] of routesIn(config.resources)) publisher.setTools(api, routes, []);
  for (const { name, upstream } of config.resources) {
    const left = upstream.kind === 'api' ? upstream.unusable : [];
    for (const { operation, why } of left) onNotice(`! ${name}: ${operation} is left out: ${why}`);
  }
}

/** The gateway verifies with the keys of the token service, and hears of each change of them. */
function trustTokens({ state: { authority }, publisher }: EnforcementParts, issuer: string, stack: AsyncDisposableStack): void {
  const trust = (): void => publisher.setTokens({ issuer, keys: authority.sts.keys() });
  trust();
  publisher.publish();
  stack.defer(
    authority.onChange((use) => {
      if (use !== 'sts') return;
      trust();
      publisher.publish();
    }),
  );
}
