// Task tokens for a run (RFC 8693): of a user's token, or of the transaction token that a call brought along; over mTLS as this run.
import { request } from 'undici';
import { isCode } from '../domain/codes.ts';
import { isJsonObject, parseJson, writeJson, type Json, type JsonObject } from '../domain/json.ts';
import { asRefusal, Refusal } from '../domain/refusal.ts';
import { createAgent } from './channel.ts';
import type { Identity } from './identity.ts';

const TYPE = 'urn:ietf:params:oauth:token-type:';
const BOUNDS = { maxBytes: 262_144, maxDepth: 32 };
const TIMEOUT_MS = 15_000;

/** What a task token is asked for. */
export interface Task {
  /** The gateway when it is left out, or one of its routes: `cordon.mcpUrl('ledger')`. */
  readonly resource?: URL;
  /** `authorization_details`; all that is held when it is left out. */
  readonly mandate?: readonly JsonObject[];
}

export interface TaskToken {
  /** Goes into `Authorization: Bearer` of a call through the gateway, and nowhere else. */
  readonly token: string;
  /** Unix milliseconds. */
  readonly expiresAt: number;
}

export interface Tokens {
  /** The first token of a task for a user. `type`: of the user's token. @throws Refusal as the token service refuses, or CORDON-9010 */
  forUser(token: string, task?: Task & { readonly type?: 'access_token' | 'id_token' }): Promise<TaskToken>;
  /** The token of an agent that was called: `transaction` is the header `Txn-Token` of that call. @throws Refusal likewise */
  forCall(transaction: string, task?: Task): Promise<TaskToken>;
  /** Less of a token that this run holds: another resource, a smaller mandate. @throws Refusal likewise */
  narrowed(token: string, task: Task): Promise<TaskToken>;
}

export const createTokens = (identity: Identity): Tokens => ({
  forUser: (token, { type = 'access_token', ...task } = {}) => exchange(identity, token, type, task),
  forCall: (transaction, task = {}) => exchange(identity, transaction, 'txn_token', task),
  narrowed: (token, task) => exchange(identity, token, 'access_token', task),
});

async function exchange({ control, current }: Identity, token: string, type: string, { resource, mandate }: Task): Promise<TaskToken> {
  const own = current();
  const agent = createAgent({ bundle: own.bundle, expect: 'control', own });
  const form = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: token,
    subject_token_type: `${TYPE}${type}`,
    // a URL without a path is written with one, and a resource is compared letter for letter
    ...(resource === undefined ? {} : { resource: resource.href.replace(/\/$/, '') }),
    ...(mandate === undefined ? {} : { authorization_details: writeJson(mandate) }),
  });
  try {
    const { statusCode, body } = await request(new URL('/oauth2/token', control), {
      method: 'POST',
      dispatcher: agent,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: form.toString(),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const json = parseJson(new Uint8Array(await body.arrayBuffer()), BOUNDS);
    return statusCode === 200 ? tokenIn(json) : refuse(json);
  } catch (error) {
    throw asRefusal(error, 'CORDON-9010', `cannot reach \`${control.host}\``);
  } finally {
    await agent.destroy();
  }
}

function tokenIn(json: Json): TaskToken {
  const { access_token: token, expires_in: life } = isJsonObject(json) ? json : {};
  if (typeof token === 'string' && typeof life === 'number') return { token, expiresAt: Date.now() + life * 1000 };
  throw new Refusal('CORDON-9010', 'the token service answers without a token');
}

/** `error_description` begins with the code. */
function refuse(json: Json): never {
  const { error_description: description } = isJsonObject(json) ? json : {};
  const [, code = '', message = 'refused'] = /^(CORDON-\d{4}): (.*)$/.exec(typeof description === 'string' ? description : '') ?? [];
  throw new Refusal(isCode(code) ? code : 'CORDON-9010', message);
}
