// Step 3 for what a caller asks about push notifications of a task (A2A 1.0 §3.1.7 to §3.1.10), or in a message (§3.2.2): the request is made
// anew of the members that are read here. INVARIANTS I2, I8. attacker-controlled
import { isJsonObject, type Json, type JsonObject } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';
import { readAuthority, type HostPort } from './egress-host.ts';
import { readTarget, writePath, writeQuery } from './http-target.ts';

/** Methods about webhooks of a task. */
const PUSH_METHODS = [
  'CreateTaskPushNotificationConfig',
  'GetTaskPushNotificationConfig',
  'ListTaskPushNotificationConfigs',
  'DeleteTaskPushNotificationConfig',
] as const;
export type PushMethodName = (typeof PUSH_METHODS)[number];
export const isPushMethod = (method: string): method is PushMethodName => PUSH_METHODS.some((one) => one === method);

/** Where a webhook is: one spelling of it. */
export interface WebhookTarget {
  readonly scheme: 'http' | 'https';
  readonly to: HostPort;
  /** Decoded, without dot segments. */
  readonly path: string;
  readonly query: string;
  /** Path and query, as they are sent. */
  readonly target: string;
}

const URL_PARTS = /^(https?):\/\/([^/?#@\\]+)(\/[^#\\]*)?$/;
const LONGEST = { url: 1_024, token: 512, credentials: 1_024, id: 256, task: 1_024 };

/** @throws Refusal CORDON-9011 */
export function readWebhook(url: string): WebhookTarget {
  const [, scheme, authority, rest = '/'] = url.length > LONGEST.url ? [] : (URL_PARTS.exec(url) ?? []);
  if (authority === undefined) {
    throw new Refusal('CORDON-9011', '`params.url` is no address of a webhook', {
      expected: `\`https://host/path\`, at most ${LONGEST.url} characters`,
    });
  }
  const isTls = scheme === 'https';
  const { segments, query } = readTarget(rest);
  const written = writeQuery(query);
  return {
    scheme: isTls ? 'https' : 'http',
    to: readAuthority(authority, isTls ? 443 : 80),
    path: `/${segments.join('/')}`,
    query: written,
    target: `${writePath(segments)}${written === '' ? '' : `?${written}`}`,
  };
}

/** What goes to the webhook to show who speaks; secrets of the caller. */
export interface PushSecrets {
  readonly token?: string;
  /** The whole `Authorization`. */
  readonly authorization?: string;
}

/** Which webhook, in the ids of the caller, and of a new one where it is; without the secrets. */
export type PushAsked = JsonObject & { readonly taskId: string; readonly id?: string; readonly url?: string };

/** What a caller asks for, read: of these members and of no others. INVARIANT I2 */
export interface PushParams {
  readonly params: PushAsked;
  readonly webhook?: WebhookTarget;
  readonly secrets: PushSecrets;
}

/** A webhook that a caller names in a message; of a task that the message begins there is no id yet. */
export interface MessagePush {
  readonly params: JsonObject & { readonly taskId?: string; readonly id?: string; readonly url: string };
  readonly webhook: WebhookTarget;
  readonly secrets: PushSecrets;
}

const VISIBLE = /^[\x21-\x7e]+$/;
const SCHEME = /^[A-Za-z][\w-]{0,31}$/;

/** @throws Refusal CORDON-9011 */
export function readPushParams(method: PushMethodName, params: JsonObject): PushParams {
  const task = textOf(params, 'taskId', LONGEST.task);
  if (task === undefined) throw new Refusal('CORDON-9011', '`params.taskId` is missing');
  if (method === 'ListTaskPushNotificationConfigs') return { params: { taskId: task }, secrets: {} };
  if (method !== 'CreateTaskPushNotificationConfig') {
    const id = textOf(params, 'id', LONGEST.id);
    if (id === undefined) throw new Refusal('CORDON-9011', '`params.id` is missing');
    return { params: { taskId: task, id }, secrets: {} };
  }
  const { params: named, ...rest } = readNew(params);
  return { params: { taskId: task, ...named }, ...rest };
}

/** @throws Refusal CORDON-9011 */
export function readMessagePush(json: Json, task: Json | undefined): MessagePush {
  if (!isJsonObject(json)) throw new Refusal('CORDON-9011', '`params.configuration.taskPushNotificationConfig` is no object');
  const named = textOf(json, 'taskId', LONGEST.task);
  if (named !== undefined && named !== task) throw new Refusal('CORDON-9011', 'the webhook is of another task than the message');
  const { params, ...rest } = readNew(json);
  return { params: { ...(typeof task === 'string' && task !== '' ? { taskId: task } : {}), ...params }, ...rest };
}

/** What policy sees of it. */
export const pushInput = ({ params: { taskId }, webhook }: Pick<PushParams | MessagePush, 'params' | 'webhook'>): JsonObject => ({
  ...(taskId === undefined ? {} : { task: taskId }),
  ...(webhook === undefined
    ? {}
    : { host: webhook.to.host, port: webhook.to.port, scheme: webhook.scheme, path: webhook.path, query: webhook.query }),
});

function readNew(params: JsonObject): MessagePush {
  const id = textOf(params, 'id', LONGEST.id);
  const url = textOf(params, 'url', LONGEST.url);
  if (url === undefined) throw new Refusal('CORDON-9011', '`params.url` is missing');
  const webhook = readWebhook(url);
  const secrets = readSecrets(params);
  // INVARIANT I8: in the open anybody on the way would read them
  if (webhook.scheme === 'http' && Object.keys(secrets).length > 0) {
    throw new Refusal('CORDON-9011', 'a webhook that is given a token or credentials is reached by `https` alone');
  }
  return { params: { ...(id === undefined ? {} : { id }), url }, webhook, secrets };
}

function textOf(params: JsonObject, member: string, longest: number): string | undefined {
  const value = params[member];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'string' && value.length <= longest) return value;
  throw new Refusal('CORDON-9011', `\`params.${member}\` does not fit`, { expected: `a text of at most ${longest} characters` });
}

function readSecrets(params: JsonObject): PushSecrets {
  const token = textOf(params, 'token', LONGEST.token);
  if (token !== undefined && !VISIBLE.test(token)) throw new Refusal('CORDON-9011', '`params.token` has characters that no header has');
  const given = params['authentication'] ?? null;
  if (given === null) return token === undefined ? {} : { token };
  if (!isJsonObject(given)) throw new Refusal('CORDON-9011', '`params.authentication` is no object');
  const { scheme, credentials } = given;
  const fits = typeof credentials === 'string' && credentials.length <= LONGEST.credentials && VISIBLE.test(credentials);
  if (typeof scheme !== 'string' || !SCHEME.test(scheme) || !fits) {
    throw new Refusal('CORDON-9011', '`params.authentication` does not fit', { expected: 'a `scheme` of HTTP and its `credentials`' });
  }
  return { ...(token === undefined ? {} : { token }), authorization: `${scheme} ${credentials}` };
}
