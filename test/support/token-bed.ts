// A bed for task tokens on the path of a call: users, an agent that calls an agent that calls tools, and what each of them asks for.
import assert from 'node:assert/strict';
import { send, toolCall, type Answer, type Sent, type Svid } from './bed.ts';
import { EXCHANGE, openOauthBed, TYPE, type FormValues, type OauthBed, type Post } from './oauth-bed.ts';
import { openAgent, openTools, type OwnCallee } from './own-callees.ts';

const POLICIES = `
@id("sessions") permit (principal, action in Action::"mcp/session", resource);
@id("caller-tools") permit (principal == Agent::"caller", action in Action::"tools/call", resource in Server::"bench");
@id("callee-tools") permit (principal == Agent::"callee", action in Action::"tools/call", resource in Server::"bench");
@id("talks") permit (principal == Agent::"caller", action in [Action::"a2a/message", Action::"a2a/GetAgentCard"], resource == Agent::"callee");
@id("staff") permit (principal is User in Group::"corp/staff", action in [Action::"tools/call", Action::"a2a/message"], resource);
@id("staff-sessions") permit (principal is User in Group::"corp/staff", action in Action::"mcp/session", resource);
`;

export interface TokenBed extends OauthBed, AsyncDisposable {
  readonly tools: OwnCallee;
  readonly agent: OwnCallee;
  /** A task token for this run, from a user's token. */
  task(as: Svid, asked?: FormValues, how?: Post, user?: Readonly<Record<string, unknown>>): Promise<string>;
  /** A token of `type` exchanged for another one. */
  exchange(as: Svid, token: string, type: string, asked?: FormValues): Promise<string>;
  /** Calls a tool; `token` as Bearer. */
  tool(svid: Svid, tool: string, args: object, token?: string, more?: Partial<Sent>): Promise<Answer>;
  message(svid: Svid, text: string, token?: string): Promise<Answer>;
}

export const bearer = (token?: string): Record<string, string> => (token === undefined ? {} : { authorization: `Bearer ${token}` });

/** Why a call was refused, however it was told. */
export function codeOf({ json }: Answer): string | undefined {
  const { result, error, code } = json as {
    result?: { structuredContent?: { code?: string } };
    // A2A's own errors have theirs as `google.rpc.ErrorInfo`
    error?: { data?: { code?: string; 0?: { metadata?: { code?: string } } } };
    code?: string;
  };
  return result?.structuredContent?.code ?? error?.data?.code ?? error?.data?.[0]?.metadata?.code ?? code;
}

/** A mandate of one entry for tools of `bench`. */
export const mandate = (tools: readonly string[], more: object = {}): string =>
  JSON.stringify([{ type: 'cordon_task', actions: ['tools/call'], locations: tools.map((tool) => `tool:bench/${tool}`), ...more }]);

export async function openTokenBed(configure?: (yaml: string) => string): Promise<TokenBed> {
  const bed = await openOauthBed({ tools: false, policies: POLICIES, ...(configure === undefined ? {} : { configure }) });
  const [tools, agent] = [await openTools(bed), await openAgent(bed)];
  await bed.ready();
  const exchange: TokenBed['exchange'] = async (as, token, type, asked = {}) => {
    const { status, text, json } = await bed.post(
      { grant_type: EXCHANGE, subject_token: token, subject_token_type: type, ...asked },
      { as },
    );
    assert.equal(status, 200, text);
    return String(json['access_token']);
  };
  const tool: TokenBed['tool'] = (svid, name, args, token, more = {}) => {
    const { path, headers, body } = toolCall(name, args);
    return send({
      port: bed.ports.gateway,
      path,
      body: body ?? '',
      svid,
      ...more,
      headers: { ...headers, ...bearer(token), ...more.headers },
    });
  };
  return {
    ...bed,
    tools,
    agent,
    exchange,
    tool,
    async task(as, asked = {}, how = {}, user = { groups: ['staff'] }) {
      const subject = { subject_token: await bed.userToken(user), subject_token_type: TYPE.jwt };
      const { status, text, json } = await bed.post({ grant_type: EXCHANGE, ...subject, ...asked }, { as, ...how });
      assert.equal(status, 200, text);
      return String(json['access_token']);
    },
    message: (svid, text, token) =>
      send({
        port: bed.ports.gateway,
        path: '/a2a/callee',
        svid,
        headers: { 'a2a-version': '1.0', ...bearer(token) },
        body: JSON.stringify({
          jsonrpc: '2.0',
          id: 1,
          method: 'SendMessage',
          params: { message: { messageId: 'm', role: 'ROLE_USER', parts: [{ text }] } },
        }),
      }),
    async [Symbol.asyncDispose]() {
      await Promise.all([tools[Symbol.asyncDispose](), agent[Symbol.asyncDispose]()]);
      await bed.close();
    },
  };
}
