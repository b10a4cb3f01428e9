// A PEP that asks a remote PDP over AuthZEN 1.0. It fails closed: no answer, a late one, one that is not understood or that asks for what
// this PEP cannot do is a denial. INVARIANT I1
import { randomId } from '../crypto/random.ts';
import type { AccessRequest, Decision } from '../domain/access.ts';
import type { Code } from '../domain/codes.ts';
import { type JsonObject, writeJson } from '../domain/json.ts';
import { asRefusal, Refusal } from '../domain/refusal.ts';
import { pathOf } from '../pdp/authzen/metadata.ts';
import type { Obligation, ObligationForm, ObligationType } from '../pdp/authzen/obligations.ts';
import { evaluationReply, type EvaluationReply, type ReceivedObligation } from '../pdp/authzen/reply.ts';
import type { Channel } from './channel.ts';
import { mediaTypeOf, readJsonReply } from './reply-body.ts';
import { orAborted } from './waiting.ts';

/** Does what an obligation asks; false or a throw: it could not. The members were checked, what they say was not. attacker-controlled */
export type Perform = (obligation: Obligation, request: AccessRequest, signal: AbortSignal) => Promise<boolean>;

export interface AuthzenClientOptions {
  /** The base of the PDP, without a slash at its end. */
  readonly url: URL;
  /** To the origin of `url`: says who may answer and what is shown to it. */
  readonly channel: Channel;
  /** Sent as `Authorization: Bearer`, where the channel does not say who asks. */
  readonly key?: string;
  /** For the whole of one evaluation, obligations included. Milliseconds. */
  readonly timeoutMs: number;
  /** What this PEP can do; any other obligation denies. */
  readonly perform?: Partial<Record<ObligationType, Perform>>;
}

export interface RemoteDecision {
  readonly decision: Decision;
  /** As they came, and whether they were met. */
  readonly obligations: readonly MetObligation[];
}

export interface MetObligation {
  /** Absent when it could not be understood. */
  readonly id?: string;
  readonly form?: ObligationForm;
  readonly met: boolean;
}

export interface AuthzenClient {
  /** Never throws: what fails is verdict `error`, CORDON-9001, which denies. */
  evaluate(request: AccessRequest): Promise<RemoteDecision>;
}

/** Of a reply. */
const BOUNDS = { maxBytes: 262_144, maxDepth: 32 };

export const authzenClient = (options: AuthzenClientOptions): AuthzenClient => ({
  async evaluate(request): Promise<RemoteDecision> {
    const signal = AbortSignal.timeout(options.timeoutMs);
    try {
      const reply = await ask(options, request, signal);
      const obligations = await Promise.all(reply.obligations.map((one) => meet(options, one, request, signal)));
      return { decision: decided(reply, obligations), obligations };
    } catch (error) {
      if (signal.aborted)
        return { decision: refused('CORDON-9001', `the remote PDP took longer than ${options.timeoutMs} ms`), obligations: [] };
      const { message, observed } = asRefusal(error, 'CORDON-9001', 'the remote PDP failed');
      return { decision: refused('CORDON-9001', observed === undefined ? message : `${message}: ${observed}`), obligations: [] };
    }
  },
});

async function ask({ url, channel, key }: AuthzenClientOptions, request: AccessRequest, signal: AbortSignal): Promise<EvaluationReply> {
  const id = randomId(20);
  const reply = await channel.request({
    method: 'POST',
    path: `${url.pathname === '/' ? '' : url.pathname}${pathOf('evaluation')}`,
    headers: {
      'content-type': 'application/json',
      accept: 'application/json',
      'x-request-id': id,
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
    },
    body: writeJson(evaluationJson(request)),
    signal,
  });
  const echoed = reply.headers['x-request-id'];
  if (reply.statusCode !== 200 || mediaTypeOf(reply) !== 'application/json' || (echoed !== undefined && echoed !== id)) {
    await reply.body.dump();
    throw new Refusal('CORDON-9001', 'the remote PDP gave no decision', { observed: `status ${reply.statusCode}, ${mediaTypeOf(reply)}` });
  }
  return evaluationReply(await readJsonReply(reply.body, BOUNDS));
}

const evaluationJson = ({ subject: { type, id, spiffeId, run }, action, resource, context }: AccessRequest): JsonObject => ({
  subject: { type, id, properties: { spiffe_id: spiffeId, ...(run === undefined ? {} : { run }) } },
  action,
  resource,
  context,
});

/** On a denial too: some of them only tell somebody of it. */
async function meet(
  { perform = {} }: AuthzenClientOptions,
  { obligation, form }: ReceivedObligation,
  request: AccessRequest,
  signal: AbortSignal,
): Promise<MetObligation> {
  if (obligation === undefined) return { met: false };
  const act = perform[obligation.type];
  const work = Promise.resolve().then(() => act?.(obligation, request, signal) ?? false);
  const met = await orAborted(work, signal).catch(() => false);
  return { id: obligation.id, ...(form === undefined ? {} : { form }), met };
}

function decided({ decision, reason }: EvaluationReply, obligations: readonly MetObligation[]): Decision {
  const unmet = obligations.filter(({ met }) => !met).length;
  if (!decision) return refused('CORDON-3001', reason ?? 'the remote PDP denies');
  if (unmet > 0) return refused('CORDON-3009', `${unmet} of ${obligations.length} obligations cannot be met`);
  return { verdict: 'allow', determining: [], errors: [], policyVersion: 0 };
}

const refused = (code: Code, reason: string): Decision => ({
  verdict: code === 'CORDON-9001' ? 'error' : 'deny',
  code,
  determining: [],
  errors: [],
  reason,
  policyVersion: 0,
});
