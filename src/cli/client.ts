// The control API as this machine's operator: mTLS with the credentials that a running Cordon keeps in its data directory. Whoever
// answers must be the control plane of that same Cordon.
import * as z from 'zod';
import { isIssuedBy, readCertificate } from '../crypto/certificate.ts';
import { dersOf } from '../crypto/der.ts';
import type { Level, Verdict } from '../domain/access.ts';
import { isCode } from '../domain/codes.ts';
import { isJsonObject, parseJson, writeJson, type Json, type JsonObject } from '../domain/json.ts';
import { errorCodeOf, Refusal, type RefusalDetail } from '../domain/refusal.ts';
import { createAgent } from '../sdk/channel.ts';
import { readCredentials, WRITTEN_ANEW, type Credentials, type CredentialsPlace } from './credentials.ts';
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
  readonly verdict?: Verdict;
  readonly limit: number;
}

export interface Question {
  readonly agent: string;
  readonly action: string;
  readonly resource: string;
  readonly input: JsonObject;
  /** For whom, and within what: `user`, `issuer`, `groups`, `mandate`. */
  readonly onBehalf?: JsonObject & { readonly user: string };
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
  ca(): Promise<Reply<'ca'>>;
  federation(): Promise<Reply<'federation'>>;
  refreshFederated(domain: string): Promise<Reply<'federatedDomain'>>;
  rotateKey(order: JsonObject): Promise<Reply<'rotation'>>;
  /** What a server defines beside what is pinned. */
  reviewTools(resource: string): Promise<Reply<'toolReview'>>;
  acceptTools(resource: string, order: JsonObject): Promise<Reply<'pin'>>;
  /** What the tools of a resource do, and what their arguments are for. */
  manifests(resource: string): Promise<Reply<'manifests'>>;
  /** `seen`: what the launcher saw of what it is about to start. */
  startRun(kind: 'agent' | 'resource', name: string, seen: JsonObject, task?: string): Promise<Reply<'run'>>;
  agent(name: string): Promise<Reply<'agent'>>;
  register(order: JsonObject): Promise<Reply<'registration'>>;
  deleteAgent(name: string, reason: string, dryRun: boolean): Promise<Reply<'removal'>>;
  deleteEntry(name: string, id: string, reason: string): Promise<Reply<'entryRemoval'>>;
  approveRun(agent: string, run: string, reason: string): Promise<Reply<'posture'>>;
  /** `ttl`: milliseconds. */
  makeAgentToken(name: string, ttl: number): Promise<Reply<'agentToken'>>;
  /** The Workload API for what the process `launcher` starts. */
  openSocket(run: string, launcher: number): Promise<Reply<'socket'>>;
  endRun(run: string): Promise<Reply<'ended'>>;
  verifyDelegation(token: string): Promise<Reply<'delegation'>>;
  revoke(order: JsonObject): Promise<Reply<'revocation'>>;
  whoami(): Promise<Reply<'whoami'>>;
  operators(): Promise<Reply<'operators'>>;
  putOperator(name: string, role: string): Promise<Reply<'operator'>>;
  removeOperator(name: string): Promise<Reply<'operator'>>;
  /** `role`: makes a new operator, or changes the role of one. */
  inviteOperator(name: string, role?: string): Promise<Reply<'invite'>>;
  /** Calls that wait for a person, and those that did. */
  grants(): Promise<Reply<'grants'>>;
  grant(id: string): Promise<Reply<'grantRequest'>>;
  answerGrant(id: string, how: 'approve' | 'refuse' | 'revoke', answer: JsonObject): Promise<Reply<'grant'>>;
  /** Those that wait for a second person, and those that did. */
  orders(): Promise<Reply<'orders'>>;
  decideOrder(id: string, how: 'approve' | 'refuse'): Promise<Reply<'order'>>;
  breakGlass(reason: string, minutes: number): Promise<Reply<'glass'>>;
  reviewGlass(id: string): Promise<Reply<'reviewed'>>;
  close(): Promise<void>;
}

const BOUNDS = { maxBytes: 67_108_864, maxDepth: 64 };
const TIMEOUT_MS = 15_000;
/** Of what examines or replays. */
const LONG_TIMEOUT_MS = 60_000;

type Method = 'GET' | 'POST' | 'DELETE';

/** @throws Failure `unreachable` when no Cordon ran here, `login` when its credentials are not for this user */
export async function openClient(place: CredentialsPlace): Promise<Client> {
  const { data } = place;
  const own = await readCredentials(place);
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
      if (isJsonObject(json) && response.statusCode === 202) throw held(json);
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
    federation: () => ask(REPLIES.federation, 'GET', '/v1/federation'),
    refreshFederated: (domain) => ask(REPLIES.federatedDomain, 'POST', `/v1/federation/${at(domain)}/refresh`, {}),
    ca: () => ask(REPLIES.ca, 'GET', '/v1/ca'),
    rotateKey: (order) => ask(REPLIES.rotation, 'POST', '/v1/ca/rotate', order),
    reviewTools: (resource) => ask(REPLIES.toolReview, 'GET', `/v1/resources/${at(resource)}/tools`),
    manifests: (resource) => ask(REPLIES.manifests, 'GET', `/v1/resources/${at(resource)}/manifests`),
    acceptTools: (resource, order) => ask(REPLIES.pin, 'POST', `/v1/resources/${at(resource)}/accept`, order),
    startRun: (kind, name, launcher, task) =>
      ask(REPLIES.run, 'POST', '/v1/runs', { kind, name, launcher, ...(task === undefined ? {} : { task }) }),
    agent: (name) => ask(REPLIES.agent, 'GET', `/v1/agents/${at(name)}`),
    register: (order) => ask(REPLIES.registration, 'POST', '/v1/agents', order),
    deleteAgent: (name, reason, dryRun) =>
      ask(REPLIES.removal, 'DELETE', `/v1/agents/${at(name)}?dry_run=${String(dryRun)}&reason=${at(reason)}`, undefined, LONG_TIMEOUT_MS),
    deleteEntry: (name, id, reason) => ask(REPLIES.entryRemoval, 'DELETE', `/v1/entries/${at(id)}?name=${at(name)}&reason=${at(reason)}`),
    approveRun: (name, run, reason) => ask(REPLIES.posture, 'POST', `/v1/agents/${at(name)}/approve`, { run, reason }),
    makeAgentToken: (name, ttl) => ask(REPLIES.agentToken, 'POST', `/v1/agents/${at(name)}/tokens`, { ttl }),
    openSocket: (run, launcher) => ask(REPLIES.socket, 'POST', `/v1/runs/${at(run)}/socket`, { launcher }),
    verifyDelegation: (token) => ask(REPLIES.delegation, 'POST', '/v1/delegations/verify', { token }),
    revoke: (order) => ask(REPLIES.revocation, 'POST', '/v1/revocations', order),
    endRun: (run) => ask(REPLIES.ended, 'DELETE', `/v1/runs/${at(run)}`),
    whoami: () => ask(REPLIES.whoami, 'GET', '/v1/whoami'),
    operators: () => ask(REPLIES.operators, 'GET', '/v1/operators'),
    putOperator: (name, role) => ask(REPLIES.operator, 'POST', '/v1/operators', { name, role }),
    removeOperator: (name) => ask(REPLIES.operator, 'DELETE', `/v1/operators/${at(name)}`),
    inviteOperator: (name, role) => ask(REPLIES.invite, 'POST', '/v1/operators/invite', { name, ...(role === undefined ? {} : { role }) }),
    grants: () => ask(REPLIES.grants, 'GET', '/v1/grants'),
    grant: (id) => ask(REPLIES.grantRequest, 'GET', `/v1/grants/${at(id)}`),
    answerGrant: (id, how, answer) => ask(REPLIES.grant, 'POST', `/v1/grants/${at(id)}/${how}`, answer),
    orders: () => ask(REPLIES.orders, 'GET', '/v1/orders'),
    decideOrder: (id, how) => ask(REPLIES.order, 'POST', `/v1/orders/${at(id)}/${how}`, {}, LONG_TIMEOUT_MS),
    breakGlass: (reason, minutes) => ask(REPLIES.glass, 'POST', '/v1/break-glass', { reason, minutes }),
    reviewGlass: (id) => ask(REPLIES.reviewed, 'POST', `/v1/break-glass/${at(id)}/review`, {}),
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

/** An order that is not carried out before a second person approves it. */
function held(json: JsonObject): Failure {
  const id = typeof json['id'] === 'string' ? json['id'] : '';
  return new Failure('no', `the order \`${id}\` waits for a second person; nothing has changed yet`, {
    fix: [`another operator approves it: \`cordon order approve ${id}\``, 'see what waits: `cordon order list`'],
  });
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
  return dersOf(chain).some((certificate) => dersOf(bundle).some((root) => isIssuedBy(certificate, root)));
}

const unreachable = (message: string, cause: unknown, detail: { observed: string; fix: readonly string[] }): Failure =>
  new Failure('unreachable', message, { ...detail, cause });

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return 'no answer in time';
  return errorCodeOf(error) ?? (error.cause instanceof Error ? codeOf(error.cause) : error.message);
}
