// What teams glue together today: a small service that nginx asks by `auth_request` before it forwards. It knows the caller by the certificate that
// nginx verified (read once for each), verifies the task token (once for each, as Cordon does: whose it is, what for, until when is asked with
// every call), decides with the same engine over the same policies, and writes one line of audit for each call, in batches. nginx shows it no body, so it is handed the arguments that it could not see: that is generous. No signed log, no explanations, no
// sessions, no cut; what it denies nobody can look up.
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { readCertificate } from '../../src/crypto/certificate.ts';
import { sha256Hex } from '../../src/crypto/hash.ts';
import type { AccessRequest } from '../../src/domain/access.ts';
import { parseSpiffeId, parseWorkload } from '../../src/domain/spiffe-id.ts';
import { admit } from '../../src/policy/admit.ts';
import { payment } from '../desks.ts';
import { gatewayDesks, gatewayPolicies, gatewayWorld } from './policies.ts';
import { answerQuestions } from './worker.ts';

/** The first question starts it, every further one says how many calls it has decided. */
export type GlueQuestion =
  | { readonly socket: string; readonly audit: string; readonly jwks: JSONWebKeySet; readonly audience: string }
  | Record<string, never>;
export interface GlueState {
  readonly decided: number;
}

const world = gatewayWorld(gatewayDesks());
const set = await admit([{ path: 'desks.cedar', text: gatewayPolicies() }], world, 1, sha256Hex);
const input = payment(4200, 1);
const callers = new Map<string, AccessRequest['subject']>();
/** By the text of the token: who may use it, until when (Unix seconds). */
const tokens = new Map<string, { readonly actor: string; readonly until: number }>();
let keys: ReturnType<typeof createLocalJWKSet> | undefined;
let wanted = '';
let decided = 0;
const lines: string[] = [];

function callerOf(escaped: string): AccessRequest['subject'] {
  const known = callers.get(escaped);
  if (known !== undefined) return known;
  const { uris } = readCertificate(decodeURIComponent(escaped));
  const spiffeId = parseSpiffeId(uris[0] ?? '');
  const { name, run } = parseWorkload(spiffeId);
  const subject: AccessRequest['subject'] = { type: 'agent', id: name, spiffeId, ...(run === undefined ? {} : { run }) };
  callers.set(escaped, subject);
  return subject;
}

async function read(authorization: string): Promise<{ readonly actor: string; readonly until: number }> {
  const known = tokens.get(authorization);
  if (known !== undefined) return known;
  if (keys === undefined) throw new Error('no keys');
  const options = { audience: wanted, typ: 'at+jwt', algorithms: ['ES256'] };
  const { payload } = await jwtVerify<{ act?: { sub?: string } }>(authorization.replace(/^Bearer /, ''), keys, options);
  const token = { actor: payload.act?.sub ?? '', until: payload.exp ?? 0 };
  tokens.set(authorization, token);
  return token;
}

async function decide({ headers }: IncomingMessage): Promise<boolean> {
  const { 'x-client-cert': certificate, 'mcp-method': method, 'mcp-name': tool, authorization = '' } = headers;
  if (typeof certificate !== 'string' || method !== 'tools/call' || typeof tool !== 'string') return false;
  const subject = callerOf(certificate);
  const { actor, until } = tokens.get(authorization) ?? (await read(authorization));
  if (actor !== subject.spiffeId || Date.now() >= until * 1000) return false;
  const request: AccessRequest = { subject, action: { name: method }, resource: { type: 'tool', id: `bench/${tool}` }, context: { input } };
  const { verdict, determining } = set.decide(request, world);
  decided++;
  lines.push(JSON.stringify({ ts: new Date().toISOString(), principal: subject.spiffeId, tool, verdict, determining }));
  return verdict === 'allow';
}

async function start(socket: string, audit: string): Promise<void> {
  const file = createWriteStream(audit, { flags: 'a', mode: 0o600 });
  setInterval(() => {
    if (lines.length > 0) file.write(`${lines.splice(0).join('\n')}\n`);
  }, 50).unref();
  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    res.writeHead((await decide(req)) ? 204 : 403).end();
  };
  const server = createServer({ keepAliveTimeout: 300_000 }, (req, res) => void answer(req, res).catch(() => res.writeHead(403).end()));
  server.listen(socket);
  await once(server, 'listening');
}

await answerQuestions(async (asked): Promise<GlueState> => {
  const question = asked as GlueQuestion;
  if ('socket' in question) {
    const { socket, audit, jwks, audience } = question;
    keys = createLocalJWKSet(jwks);
    wanted = audience;
    await start(socket, audit);
  }
  return { decided };
});
