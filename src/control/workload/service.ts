// The methods of the SPIFFE Workload API (§5, §6), for callers that are known already. Every stream is a feed of the full state.
import { status, type handleUnaryCall, type ServerWritableStream, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { asRefusal } from '../../domain/refusal.ts';
import { parseSpiffeId } from '../../domain/spiffe-id.ts';
import { writeJson } from '../../domain/json.ts';
import type { RunCredentials } from './credentials.ts';
import { liveRuns, openFeed, unary, type CallParts, type LiveRun } from './calls.ts';
import type { State } from './feed.ts';
import {
  jwtBundlesReply,
  jwtSvidReply,
  structOf,
  x509BundlesReply,
  x509SvidReply,
  type JwtSvidReply,
  type ValidateReply,
  type X509SvidReply,
} from './messages.ts';
import type { Bundles, RunIdentities } from './ports.ts';
import { CallStatus, checkHeader, invalidArgument } from './status.ts';

export interface ServiceParts extends CallParts {
  readonly trustDomain: string;
  readonly identities: RunIdentities;
  readonly credentials: RunCredentials;
  readonly bundles: Bundles;
}

/** Audiences of one JWT-SVID. */
const MAX_AUDIENCES = 16;
const MAX_TEXT = 16_384;

interface JwtSvidRequest {
  readonly audience: readonly string[];
  readonly spiffe_id: string;
}

interface ValidateRequest {
  readonly audience: string;
  readonly svid: string;
}

export function workloadService(parts: ServiceParts): UntypedServiceImplementation {
  return {
    FetchX509SVID: streaming(parts, 'FetchX509SVID', (runs) => x509State(parts, runs)),
    FetchX509Bundles: streaming(parts, 'FetchX509Bundles', () => bundleState(parts, x509BundlesReply)),
    FetchJWTBundles: streaming(parts, 'FetchJWTBundles', () => bundleState(parts, jwtBundlesReply)),
    FetchJWTSVID: answering<JwtSvidRequest, JwtSvidReply>(parts, 'FetchJWTSVID', (runs, request) => jwtSvids(parts, runs, request)),
    ValidateJWTSVID: answering<ValidateRequest, ValidateReply>(parts, 'ValidateJWTSVID', (_runs, request) => validate(parts, request)),
    FetchWITSVID: streaming(parts, 'FetchWITSVID', unimplemented),
    FetchWITBundles: streaming(parts, 'FetchWITBundles', unimplemented),
  };
}

/** §6: a profile that is not supported. */
const unimplemented = (): Promise<never> =>
  Promise.reject(new CallStatus(status.UNIMPLEMENTED, 'WIT-SVIDs are not supported by this endpoint'));

const streaming =
  <T>(parts: ServiceParts, method: string, state: (runs: readonly LiveRun[]) => Promise<State<T>>) =>
  (call: ServerWritableStream<unknown, T>): void => {
    const check = (): void => checkHeader(call.metadata);
    void openFeed<T>(parts, method, call, { check, state }).update();
  };

const answering = <Q, R>(
  parts: ServiceParts,
  method: string,
  answer: (runs: readonly LiveRun[], request: Q) => Promise<R>,
): handleUnaryCall<Q, R> =>
  unary(parts, method, async (call) => {
    checkHeader(call.metadata);
    return answer(await liveRuns(parts, call.getPeer()), call.request);
  });

async function x509State({ credentials, bundles }: ServiceParts, runs: readonly LiveRun[]): Promise<State<X509SvidReply>> {
  const held = await Promise.all(runs.map(({ run }) => credentials.of(run)));
  return {
    message: () => x509SvidReply(held, bundles),
    key: held.map(({ svid }) => svid.serial).join() + bundlesKey(bundles),
    dueAt: Math.min(...held.map(({ renewAt }) => renewAt)),
  };
}

const bundleState = async <T>(
  { trustDomain, bundles }: ServiceParts,
  reply: (bundles: Bundles, domain: string) => T,
): Promise<State<T>> => ({
  message: () => reply(bundles, trustDomain),
  key: bundlesKey(bundles),
  dueAt: Infinity,
});

/** Equal for equal bundles. */
export const bundlesKey = ({ own, federated }: Bundles): string =>
  writeJson([{ ...own() }, ...[...federated()].map(([domain, bundle]) => [domain, { ...bundle }])]);

async function jwtSvids(
  { identities }: ServiceParts,
  runs: readonly LiveRun[],
  { audience, spiffe_id: wanted }: JwtSvidRequest,
): Promise<JwtSvidReply> {
  if (audience.length === 0) throw invalidArgument('audience must be specified');
  if (audience.length > MAX_AUDIENCES || audience.some((one) => one === ''))
    throw invalidArgument(`1 to ${MAX_AUDIENCES} audiences, none empty`);
  if (wanted !== '') checkId(wanted);
  const asked = wanted === '' ? runs : runs.filter(({ id }) => id === wanted);
  if (asked.length === 0) throw new CallStatus(status.PERMISSION_DENIED, 'this process has no such identity');
  return jwtSvidReply(await Promise.all(asked.map(({ run }) => identities.jwtSvid(run, audience))));
}

function checkId(text: string): void {
  try {
    parseSpiffeId(text);
  } catch (error) {
    throw invalidArgument(asRefusal(error, 'CORDON-1006', 'not a SPIFFE ID').message);
  }
}

async function validate({ identities }: ServiceParts, { audience, svid }: ValidateRequest): Promise<ValidateReply> {
  if (audience === '' || audience.length > MAX_TEXT) throw invalidArgument('audience must be specified');
  if (svid === '' || svid.length > MAX_TEXT) throw invalidArgument('svid must be specified');
  try {
    const { id, claims } = await identities.validateJwt(svid, audience);
    return { spiffe_id: id, claims: structOf(claims) };
  } catch (error) {
    const { code, message } = asRefusal(error, 'CORDON-1009', 'token invalid');
    throw invalidArgument(`${code} ${message}`);
  }
}
