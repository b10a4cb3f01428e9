// Who takes part in the tests of the token service: three runs of agents with every proof that they can show, a user, and tokens of each kind.
import {
  ASSERTION,
  EXCHANGE,
  makeSigner,
  openOauthBed,
  proof,
  TYPE,
  type FormValues,
  type OauthBed,
  type OauthOptions,
  type Post,
  type Signer,
} from './oauth-bed.ts';
import type { Answer, Svid } from './bed.ts';
import { WorkloadClient } from './workload-client.ts';

export type AgentName = 'caller' | 'callee' | 'other';
export type RunSvid = Svid & { readonly run: string };

export interface Ask {
  readonly form: FormValues;
  readonly how?: Post;
}

/** What may be wished for: `tools/call` on what is named. */
export const mandate = (...locations: readonly string[]): readonly object[] => [
  { type: 'cordon_task', actions: ['tools/call', 'a2a/SendMessage'], locations },
];

export interface World extends OauthBed {
  readonly runs: Readonly<Record<AgentName, RunSvid>>;
  readonly ids: Readonly<Record<AgentName, string>>;
  /** JWT-SVIDs for the token service. */
  readonly assertions: Readonly<Record<AgentName, string>>;
  /** An access token of alice. */
  readonly alice: string;
  /** Somebody with a key of their own. */
  readonly stranger: Signer;
  readonly dpopKey: Signer;
  nonce(): Promise<string>;
  jwtSvid(run: RunSvid, audience: readonly string[]): Promise<string>;
  /** A form that is granted to whoever sends it. */
  exchange(over?: FormValues): FormValues;
  /** The credentials of an agent at the identity listener. */
  signedIn(agent?: AgentName): { readonly client_assertion_type: string; readonly client_assertion: string };
  /** A task token. Throws when it is not granted. */
  task(agent: AgentName, over?: FormValues, how?: Omit<Post, 'as'>): Promise<string>;
  /** A transaction token for the call of one agent to another. */
  txn(from: AgentName, task: string, to: AgentName): Promise<string>;
  /** The token that a called agent gets for a transaction token. */
  hop(agent: AgentName, txn: string, over?: FormValues): Promise<Answer>;
  proof(claims?: Readonly<Record<string, unknown>>, header?: object, key?: Signer): Promise<string>;
}

export async function openWorld(options: OauthOptions = { tokens: '  maxDepth: 2' }): Promise<World> {
  const bed = await openOauthBed(options);
  const runs = { caller: await bed.svid('caller'), callee: await bed.svid('callee'), other: await bed.svid('other') };
  const sockets = new Map<string, string>();
  const jwtSvid = async ({ run }: RunSvid, audience: readonly string[]): Promise<string> => {
    const opened =
      sockets.get(run) ?? String((await bed.control('POST', `/v1/runs/${run}/socket`, { launcher: process.pid })).json['socket']);
    sockets.set(run, opened);
    const client = new WorkloadClient(opened);
    const { svids } = await client.unary<{ svids: readonly { svid: string }[] }>('FetchJWTSVID', { audience });
    client.close();
    return svids[0]?.svid ?? '';
  };
  const forUs = (run: RunSvid): Promise<string> => jwtSvid(run, [bed.issuer]);
  const [alice, stranger, dpopKey] = [await bed.userToken({}, { typ: 'at+jwt' }), await makeSigner('stranger-1'), await makeSigner('dpop')];
  let nonce = '';

  const world: World = {
    ...bed,
    runs,
    ids: {
      caller: `spiffe://test.example/agent/caller/run/${runs.caller.run}`,
      callee: `spiffe://test.example/agent/callee/run/${runs.callee.run}`,
      other: `spiffe://test.example/agent/other/run/${runs.other.run}`,
    },
    assertions: { caller: await forUs(runs.caller), callee: await forUs(runs.callee), other: await forUs(runs.other) },
    alice,
    stranger,
    dpopKey,
    jwtSvid,
    async nonce(): Promise<string> {
      if (nonce !== '') return nonce;
      const refused = await bed.post(world.exchange(), {
        as: runs.caller,
        headers: { dpop: await proof(dpopKey, { htu: `${bed.mtls}/oauth2/token` }) },
      });
      nonce = String(refused.headers['dpop-nonce']);
      return nonce;
    },
    exchange: (over = {}) => ({
      grant_type: EXCHANGE,
      subject_token: alice,
      subject_token_type: TYPE.access,
      resource: bed.gateway,
      ...over,
    }),
    signedIn: (agent = 'caller') => ({ client_assertion_type: ASSERTION.spiffe, client_assertion: world.assertions[agent] }),
    async task(agent, over = {}, how = {}): Promise<string> {
      const { status, json, text } = await bed.post(world.exchange(over), { ...how, as: runs[agent] });
      if (status !== 200) throw new Error(text);
      return String(json['access_token']);
    },
    async txn(from, task, to): Promise<string> {
      const form = {
        grant_type: EXCHANGE,
        subject_token: task,
        subject_token_type: TYPE.access,
        requested_token_type: TYPE.txn,
        audience: 'test.example',
        request_details: JSON.stringify({ action: 'a2a/SendMessage', resource: `agent:${to}`, callee: to }),
      };
      const { status, json, text } = await bed.post(form, { as: runs[from] });
      if (status !== 200) throw new Error(text);
      return String(json['access_token']);
    },
    hop: (agent, txn, over = {}) =>
      bed.post({ grant_type: EXCHANGE, subject_token: txn, subject_token_type: TYPE.txn, ...over }, { as: runs[agent] }),
    proof: async (claims = {}, header = {}, key = dpopKey) =>
      proof(key, { htu: `${bed.mtls}/oauth2/token`, nonce: await world.nonce(), ...claims }, header),
  };
  return world;
}
