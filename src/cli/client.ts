// The control API as this machine's operator: mTLS with the credentials that a running Cordon keeps in its data directory. Whoever
// answers must be the control plane of that same Cordon.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { isIssuedBy, readCertificate } from '../crypto/certificate.ts';
import type { Level } from '../domain/access.ts';
import { isCode } from '../domain/codes.ts';
import { isJsonObject, parseJson, writeJson, type Json, type JsonObject } from '../domain/json.ts';
import { errorCodeOf, Refusal, type RefusalDetail } from '../domain/refusal.ts';
import { checkPeer, createAgent } from '../sdk/channel.ts';
import { asFailure, Failure } from './errors.ts';
import { REPLIES, type ReplyName, type ReplyOf } from './replies.ts';

/** What came, and what of it is understood. */
interface Answer<T> {
  readonly json: JsonObject;
  readonly value: T;
}

export type Reply<N extends ReplyName> = Answer<ReplyOf<N>>;

export interface DecisionsFilter {
  readonly agent?: string | undefined;
  readonly verdict?: 'allow' | 'deny' | 'error';
  readonly limit: number;
}

export interface Question {
  readonly agent: string;
  readonly action: string;
  readonly resource: string;
  readonly input: JsonObject;
  /** Policies to decide with in place of those that are enforced. */
  readonly draft?: JsonObject;
}

export interface Client {
  status(): Promise<Reply<'status'>>;
  agents(): Promise<Reply<'agents'>>;
  world(): Promise<Reply<'world'>>;
  whois(asked: string): Promise<Reply<'whois'>>;
  /** Newest first. */
  decisions(filter: DecisionsFilter): Promise<Reply<'decisions'>>;
  why(decision: string): Promise<Reply<'why'>>;
  can(question: Question): Promise<Reply<'can'>>;
  setLevel(agent: string, level: Level, reason: string): Promise<Reply<'level'>>;
  doctor(): Promise<Reply<'doctor'>>;
  policies(): Promise<Reply<'policies'>>;
  /** Newest first. */
  policyHistory(limit: number): Promise<Reply<'history'>>;
  applyPolicies(order: JsonObject): Promise<Reply<'rollout'>>;
  policyImpact(order: JsonObject): Promise<Reply<'impact'>>;
  promotePolicies(order: JsonObject): Promise<Reply<'rollout'>>;
  rollbackPolicies(order: JsonObject): Promise<Reply<'rollout'>>;
  withdrawPolicies(order: JsonObject): Promise<Reply<'rollout'>>;
  policyDiff(question: JsonObject): Promise<Reply<'diff'>>;
  policySuggest(question: JsonObject): Promise<Reply<'suggestion'>>;
  blast(question: JsonObject): Promise<Reply<'blast'>>;
  acceptResource(resource: string): Promise<Reply<'pin'>>;
  startRun(kind: 'agent' | 'resource', name: string): Promise<Reply<'run'>>;
  endRun(run: string): Promise<Reply<'ended'>>;
  close(): Promise<void>;
}

const BOUNDS = { maxBytes: 67_108_864, maxDepth: 64 };
const TIMEOUT_MS = 15_000;
/** Of what examines or replays. */
const LONG_TIMEOUT_MS = 60_000;

type Method = 'GET' | 'POST' | 'DELETE';

/** @throws Failure `unreachable` when no Cordon ran here, `login` when its credentials are not for this user */
export async function openClient(data: string): Promise<Client> {
  const own = await readCredentials(data);
  const origin = new URL(own.control);
  const agent = createAgent({ bundle: own.bundle, expect: 'control', own });

  async function ask<T>(form: z.ZodType<T>, method: Method, path: string, body?: JsonObject, timeoutMs = TIMEOUT_MS): Promise<Answer<T>> {
    try {
      const response = await agent.request({
        origin,
        path,
        method,
        ...(body === undefined ? {} : { body: writeJson(body), headers: { 'content-type': 'application/json' } }),
        signal: AbortSignal.timeout(timeoutMs),
      });
      const json = parseJson(new Uint8Array(await response.body.arrayBuffer()), BOUNDS);
      if (!isJsonObject(json) || response.statusCode !== 200) throw problemOf(json);
      return { json, value: readAnswer(form, json) };
    } catch (error) {
      throw error instanceof Failure ? error : connectionFailure(error, own, data);
    }
  }

  const at = encodeURIComponent;
  return {
    status: () => ask(REPLIES.status, 'GET', '/v1/status'),
    agents: () => ask(REPLIES.agents, 'GET', '/v1/agents'),
    world: () => ask(REPLIES.world, 'GET', '/v1/world'),
    whois: (asked) => ask(REPLIES.whois, 'GET', `/v1/whois?q=${at(asked)}`),
    decisions: (filter) => ask(REPLIES.decisions, 'GET', `/v1/decisions?${queryOf(filter)}`),
    why: (decision) => ask(REPLIES.why, 'GET', `/v1/decisions/${at(decision)}`),
    can: (question) => ask(REPLIES.can, 'POST', '/v1/can', { ...question }, LONG_TIMEOUT_MS),
    setLevel: (name, level, reason) => ask(REPLIES.level, 'POST', `/v1/agents/${at(name)}/level`, { level, reason }),
    doctor: () => ask(REPLIES.doctor, 'GET', '/v1/doctor', undefined, LONG_TIMEOUT_MS),
    policies: () => ask(REPLIES.policies, 'GET', '/v1/policies'),
    policyHistory: (limit) => ask(REPLIES.history, 'GET', `/v1/policies/history?limit=${limit}`),
    applyPolicies: (order) => ask(REPLIES.rollout, 'POST', '/v1/policies/apply', order, LONG_TIMEOUT_MS),
    policyImpact: (order) => ask(REPLIES.impact, 'POST', '/v1/policies/impact', order, LONG_TIMEOUT_MS),
    promotePolicies: (order) => ask(REPLIES.rollout, 'POST', '/v1/policies/promote', order, LONG_TIMEOUT_MS),
    rollbackPolicies: (order) => ask(REPLIES.rollout, 'POST', '/v1/policies/rollback', order),
    withdrawPolicies: (order) => ask(REPLIES.rollout, 'POST', '/v1/policies/withdraw', order),
    policyDiff: (question) => ask(REPLIES.diff, 'POST', '/v1/policies/diff', question, LONG_TIMEOUT_MS),
    policySuggest: (question) => ask(REPLIES.suggestion, 'POST', '/v1/policies/suggest', question, LONG_TIMEOUT_MS),
    blast: (question) => ask(REPLIES.blast, 'POST', '/v1/blast', question, LONG_TIMEOUT_MS),
    acceptResource: (resource) => ask(REPLIES.pin, 'POST', `/v1/resources/${at(resource)}/accept`, {}),
    startRun: (kind, name) => ask(REPLIES.run, 'POST', '/v1/runs', { kind, name }),
    endRun: (run) => ask(REPLIES.ended, 'DELETE', `/v1/runs/${at(run)}`),
    close: () => agent.destroy(),
  };
}

function queryOf({ agent, verdict, limit }: DecisionsFilter): string {
  const query = new URLSearchParams({ limit: String(limit) });
  if (agent !== undefined) query.set('agent', agent);
  if (verdict !== undefined) query.set('verdict', verdict);
  return query.toString();
}

function readAnswer<T>(form: z.ZodType<T>, json: Json): T {
  const read = form.safeParse(json);
  if (read.success) return read.data;
  throw new Failure('unexpected', 'the control plane answers in a form that this command does not know', {
    observed: `\`${read.error.issues[0]?.path.join('.') ?? ''}\` in the reply`,
    fix: ['compare the versions: `cordon version`'],
  });
}

/** A refusal that the server sent (RFC 9457 with Cordon's members). */
function problemOf(json: Json): Failure {
  const read = problem.safeParse(json);
  if (!read.success) return new Failure('unexpected', 'the control plane refused and does not say why');
  const { code, message, fix, ...seen } = read.data;
  const [first] = fix;
  if (!isCode(code)) return new Failure('unexpected', message, seen);
  return asFailure(new Refusal(code, message, { ...withoutUndefined(seen), ...(first === undefined ? {} : { fix: first.cmd }) }));
}

const withoutUndefined = ({ observed, expected }: { observed?: string | undefined; expected?: string | undefined }): RefusalDetail => ({
  ...(observed === undefined ? {} : { observed }),
  ...(expected === undefined ? {} : { expected }),
});

const problem = z.object({
  code: z.string(),
  message: z.string(),
  observed: z.string().optional(),
  expected: z.string().optional(),
  fix: z.array(z.object({ cmd: z.string() })).default([]),
});

const credentials = z.object({
  chain: z.string(),
  privateKey: z.string(),
  bundle: z.string(),
  control: z.url({ protocol: /^https$/ }),
  pid: z.number().optional(),
});

type Credentials = z.infer<typeof credentials>;

async function readCredentials(data: string): Promise<Credentials> {
  const path = join(data, 'operator', 'credentials.json');
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    const code = errorCodeOf(cause);
    if (code !== 'ENOENT' && code !== 'ENOTDIR') {
      const fix = ['run this as the user that runs `cordon up`'];
      throw new Failure('login', `the operator's credentials cannot be read`, { observed: `\`${path}\` ${String(code)}`, fix, cause });
    }
    const fix = ['start one here: `cordon up`', 'name its data directory: `--data DIR`, or CORDON_DATA'];
    throw new Failure('unreachable', `no Cordon has run with the data directory \`${data}\``, {
      observed: `\`${path}\` is not there`,
      fix,
      cause,
    });
  }
  const own = parseCredentials(bytes, path);
  const stranger = checkPeer(Buffer.from(own.chain), 'operator');
  if (stranger === undefined) return own;
  throw new Failure('login', 'the credentials are not those of an operator', {
    observed: stranger instanceof Refusal ? (stranger.observed ?? stranger.message) : `\`${path}\``,
    expected: 'an SVID of kind `operator`',
    fix: [WRITTEN_ANEW],
    cause: stranger,
  });
}

const WRITTEN_ANEW = 'restart `cordon up`: it writes them anew';

function parseCredentials(bytes: Uint8Array, path: string): Credentials {
  try {
    return credentials.parse(parseJson(bytes, { maxBytes: 65_536, maxDepth: 4 }));
  } catch (cause) {
    throw new Failure('login', "the operator's credentials are damaged", { observed: `\`${path}\``, fix: [WRITTEN_ANEW], cause });
  }
}

/** Nothing answered, something else did, or our credentials were turned away: which of them it was. */
function connectionFailure(error: unknown, own: Credentials, data: string): Failure {
  const seen = codeOf(error);
  if (seen === 'ECONNREFUSED') {
    return unreachable('Cordon is not running', error, {
      observed: `nothing listens at \`${own.control}\``,
      fix: [`start it: \`cordon up --data ${data}\``],
    });
  }
  const stranger = error instanceof Refusal && error.code === 'CORDON-1004' ? (error.observed ?? 'another workload') : seen;
  if (stranger !== seen || /CERT_|_CERT|ISSUER|VERIFY_LEAF/.test(seen.replace(/^ERR_SSL_.*/, ''))) {
    return unreachable(`what answers at \`${own.control}\` is not the Cordon of \`${data}\``, error, {
      observed: stranger,
      fix: ['name the data directory of the one that runs: `--data DIR`'],
    });
  }
  const { notAfter } = readCertificate(own.chain);
  const expired = notAfter <= Date.now();
  if (expired || seen.includes('ALERT') || !isOfBundle(own)) {
    return new Failure('login', `the operator's credentials ${expired ? 'have expired' : 'are not accepted by the control plane'}`, {
      code: expired ? 'CORDON-1002' : 'CORDON-1004',
      observed: expired ? new Date(notAfter).toISOString() : seen,
      fix: [WRITTEN_ANEW],
      cause: error,
    });
  }
  return unreachable(`the control plane at \`${own.control}\` does not answer`, error, {
    observed: seen,
    fix: ['look at it: `cordon doctor`'],
  });
}

/** A server that does not know the issuer closes the connection without a word. */
function isOfBundle({ chain, bundle }: Credentials): boolean {
  const certificates = chain.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return certificates.some((certificate) => isIssuedBy(certificate, bundle));
}

const unreachable = (message: string, cause: unknown, detail: { observed: string; fix: readonly string[] }): Failure =>
  new Failure('unreachable', message, { ...detail, cause });

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return 'no answer in time';
  return errorCodeOf(error) ?? (error.cause instanceof Error ? codeOf(error.cause) : error.message);
}
