// Everything that listens: the control plane, the identity listener, the gateway; and the credentials with which this machine's operator
// reaches them.
import { createControlApi, createIdentityApi, type Api } from '../control/api.ts';
import type { Control } from '../control/control.ts';
import { writeJson } from '../domain/json.ts';
import { Refusal, errorCodeOf, errorTextOf } from '../domain/refusal.ts';
import type { Credentials } from '../gateway/channel.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { writePrivate, type DataDir } from './data-dir.ts';
import type { Identities } from './identities.ts';
import { openPages } from './operators.ts';
import type { Setting } from './setting.ts';
import type { State } from './state.ts';

export interface DoorParts {
  readonly setting: Setting;
  readonly state: State;
  readonly identities: Identities;
  readonly control: Control;
  readonly gateway: Gateway;
}

/** Opens them, the gateway last; `stack` closes the listeners of the control plane. @throws Refusal CORDON-9006 when a port is taken */
export async function openDoors(parts: DoorParts, stack: AsyncDisposableStack): Promise<void> {
  const { setting, identities, control, gateway } = parts;
  const own = identities.control.current();
  await open('control', createControlApi(control, own), parts, stack);
  await open('identity', createIdentityApi(control, own), parts, stack);
  if (setting.workers === undefined) await openGateway(setting, gateway);
  await openPages(parts, control, stack);
  await keepOperator(parts);
}

async function openGateway(setting: Setting, gateway: Gateway): Promise<void> {
  const { host, port } = setting.config.listen.gateway;
  await gateway.listen(host, port).catch((cause: unknown) => {
    throw cannotListen('gateway', setting, cause);
  });
}

type Door = keyof Setting['config']['listen'];

async function open(door: Door, api: Api, { setting, identities }: DoorParts, stack: AsyncDisposableStack): Promise<void> {
  const { host, port } = setting.config.listen[door];
  identities.control.onRotate((keys) => api.rotate(keys));
  stack.defer(() => api.close());
  await api.listen(host, port).catch((cause: unknown) => {
    throw cannotListen(door, setting, cause);
  });
}

function cannotListen(door: Door, { config }: Setting, cause: unknown): Refusal {
  const { host, port } = config.listen[door];
  const taken = errorCodeOf(cause) === 'EADDRINUSE';
  return new Refusal('CORDON-9006', taken ? `\`${host}:${port}\` is in use` : `cannot listen on \`${host}:${port}\``, {
    cause,
    fix: `stop what listens there, or set \`listen.${door}\` in cordon.yaml`,
  });
}

/** Writes the operator's credentials now and after each renewal. A renewal that cannot be written leaves the old ones, which still work. */
async function keepOperator({ setting, state: { data }, identities, control }: DoorParts): Promise<void> {
  const write = (keys: Credentials): Promise<void> => writeOperator(data, keys, control.controlUrl);
  await write(identities.operator.current());
  identities.operator.onRotate((keys) => {
    write(keys).catch((error: unknown) => setting.onNotice(`! the operator's credentials are not renewed: ${errorTextOf(error)}`));
  });
}

const writeOperator = (data: DataDir, { chain, privateKey, bundle }: Credentials, control: string): Promise<void> =>
  writePrivate(`${data.operator}/credentials.json`, writeJson({ chain, privateKey, bundle, control, pid: process.pid }));
