// Who administers a running Cordon: the directory, the orders that wait for two, and where people sign in.
import { openDirectory } from '../control/operators/directory.ts';
import { createHeldOrders } from '../control/operators/held-orders.ts';
import type { OperatorService, SigningIn } from '../control/operators/operators.ts';
import { createPages } from '../control/operators/pages.ts';
import { createPasskeys } from '../control/operators/passkeys.ts';
import { createProvider, type Provider } from '../control/operators/provider.ts';
import { createRequestVisits } from '../control/operators/request-visits.ts';
import { createSignIns } from '../control/operators/sign-in.ts';
import type { Control } from '../control/control.ts';
import type { Config, SignInConfig } from '../control/config.ts';
import { publicKeyOfRequest } from '../crypto/x509.ts';
import { workloadId } from '../domain/spiffe-id.ts';
import type { Identities } from './identities.ts';
import { secretOf } from './secrets.ts';
import type { Setting } from './setting.ts';
import type { State } from './state.ts';

interface OperatorParts {
  readonly setting: Setting;
  readonly state: State;
  readonly identities: Identities;
}

/** @throws Refusal CORDON-9004 */
export async function openOperators({ setting, state, identities }: OperatorParts): Promise<OperatorService> {
  const { config, now, onNotice } = setting;
  const { store, log, sealer } = state;
  const { people, twoPersons, session, signIn } = config.operators;
  const directory = await openDirectory({ people, store, log, now, onNotice });
  const orders = createHeldOrders({ rules: twoPersons, store, sealer, log, now });
  const roleOf = (name: string): ReturnType<typeof directory.roleOf> => directory.roleOf(name);
  const signingIn: SigningIn | undefined = signIn && {
    origin: signIn.origin,
    passkeys: createPasskeys({ origin: signIn.origin, store, log, now }),
    signIns: createSignIns({
      log,
      now,
      roleOf,
      check: async (request) => void (await publicKeyOfRequest(request)),
      issue: (name, request) => identities.issuer.admitOperator(name, request, session),
    }),
  };
  return { directory, orders, signingIn };
}

/** Opens the pages where people sign in, if they are to; `stack` closes them. @throws Refusal CORDON-9006 */
export async function openPages(
  { setting, state }: Omit<OperatorParts, 'identities'>,
  control: Control,
  stack: AsyncDisposableStack,
): Promise<void> {
  const { signIn } = setting.config.operators;
  const { signingIn } = control.operators;
  if (signIn === undefined || signingIn === undefined) return;
  const pages = createPages({
    ...signingIn,
    requests: createRequestVisits({
      passkeys: signingIn.passkeys,
      grants: control.grants,
      roleOf: (name) => control.operators.directory.roleOf(name),
      actorOf: (name) => workloadId(setting.config.trustDomain, 'operator', name),
      now: setting.now,
    }),
    provider: await providerOf(signIn, { setting, state }, control),
    now: setting.now,
    refused: (refusal, action) => control.refused({ refusal, caller: undefined, action }),
  });
  stack.defer(() => pages.close());
  await pages.listen(signIn.listen.host, signIn.listen.port);
}

/** Where people see a request for approval and answer it, by its digest; undefined: nobody signs in. */
export function requestPageOf({ operators: { signIn } }: Pick<Config, 'operators'>): ((digest: string) => string) | undefined {
  return signIn && ((digest) => new URL(`/#request=${digest}`, signIn.origin).href);
}

async function providerOf(
  { oidc, origin }: SignInConfig,
  { setting: { config, now }, state: { store, sealer } }: Omit<OperatorParts, 'identities'>,
  { operators: { directory } }: Control,
): Promise<Provider | undefined> {
  if (oidc === undefined) return undefined;
  const { clientSecret: source, ...rest } = oidc;
  const clientSecret = source && (await secretOf({ base: config.base, store, sealer }, 'operators.oidc', source));
  return createProvider({
    config: { ...rest, ...(clientSecret === undefined ? {} : { clientSecret }) },
    redirectUri: new URL('/sign-in/oidc/callback', origin),
    nameOf: (subject) => config.operators.people.find((person) => person.subject === subject)?.name,
    bind: (name, subject) => directory.bind(name, subject),
    now,
  });
}
