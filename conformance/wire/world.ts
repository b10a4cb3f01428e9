// Where the attacks are run: a Cordon as a process, agents with SVIDs of their own, a trust domain that is believed and one that is not,
// and a tool server that takes note of what reaches it.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { writeJson } from '../../src/domain/json.ts';
import type { Svid } from '../../test/support/bed.ts';
import { openOauthBed, EXCHANGE, TYPE, type FormValues, type OauthBed, type Post } from '../../test/support/oauth-bed.ts';
import { openOtherDomain, type OtherDomain } from '../../test/support/other-domain.ts';
import { openUpstream, type Upstream } from './upstream.ts';
import { GOOD, post } from './attack.ts';
import { speak, type Heard, type Speech } from './speak.ts';

const POLICIES = `
@id("sessions") permit (principal, action in Action::"mcp/session", resource);
@id("caller-tools") permit (principal == Agent::"caller", action in Action::"tools/call", resource in Server::"bench");
@id("clerk-tools") permit (principal == Agent::"clerk", action in Action::"tools/call", resource in Server::"bench");
@id("talks") permit (principal == Agent::"caller", action in [Action::"a2a/message", Action::"a2a/GetAgentCard"], resource == Agent::"callee");
@id("staff") permit (principal is User in Group::"corp/staff", action in [Action::"tools/call", Action::"a2a/message"], resource);
@id("staff-sessions") permit (principal is User in Group::"corp/staff", action in Action::"mcp/session", resource);
`;

/** Of the vendor, whose domain is believed. */
export const CLERK = 'spiffe://vendor.example/clerk';

type RunSvid = Svid & { readonly run: string };

export interface Decided {
  readonly id: string;
  readonly verdict: string;
  readonly code?: string;
  readonly run?: string;
}

export interface World extends AsyncDisposable {
  readonly bed: OauthBed;
  readonly port: number;
  readonly caller: RunSvid;
  /** Of another segment, from which nothing here is to be seen. */
  readonly other: RunSvid;
  readonly callee: RunSvid;
  readonly vendor: OtherDomain;
  readonly stranger: OtherDomain;
  readonly tools: Upstream;
  readonly agent: Upstream;
  /** As the caller, to the gateway. */
  say(bytes: string | readonly string[], how?: Partial<Speech>): Promise<Heard>;
  as(svid: Svid): ConnectionOptions;
  /** A task token of `caller` for a user. */
  task(asked?: FormValues, how?: Post): Promise<string>;
  /** A fresh call that must pass. */
  good(): Promise<boolean>;
  /** The newest decisions, newest first. */
  decided(limit?: number): Promise<readonly Decided[]>;
}

/** `limits`: members of `limits` in cordon.yaml. */
export async function openWorld(limits = ''): Promise<World> {
  const [vendor, stranger] = [await openOtherDomain('vendor.example'), await openOtherDomain('stranger.example')];
  vendor.publish(vendor.document(1));
  const bed = await openOauthBed({
    tools: false,
    policies: POLICIES,
    configure: (yaml) => configured(yaml, vendor).replace(/^limits: \{.*\}$/m, (line) => line.replace(' }', `${limits} }`)),
    beforeStart: (dir) => writeFile(join(dir, 'vendor.json'), writeJson(vendor.document(1))),
  });
  const [tools, callee] = [await openUpstream(bed.ports.bench, await bed.svid('bench', 'resource')), await bed.svid('callee')];
  const agent = await openUpstream(bed.ports.callee, callee);
  await bed.ready();
  const [caller, other] = [await bed.svid('caller'), await bed.svid('other')];
  const port = bed.ports.gateway;
  const as = ({ cert, key, ca }: Svid): ConnectionOptions => ({ cert, key, ca: ca === '' ? caller.ca : ca });
  const say: World['say'] = (bytes, how = {}) => speak({ port, tls: as(caller), say: bytes, ...how });
  const task: World['task'] = async (asked = {}, how = {}) => {
    const subject = { subject_token: await bed.userToken({ groups: ['staff'] }), subject_token_type: TYPE.jwt };
    const { status, text, json } = await bed.post({ grant_type: EXCHANGE, ...subject, ...asked }, { as: caller, ...how });
    if (status !== 200) throw new Error(text);
    return String(json['access_token']);
  };
  return {
    bed,
    port,
    caller,
    other,
    callee,
    vendor,
    stranger,
    tools,
    agent,
    say,
    as,
    task,
    async good(): Promise<boolean> {
      const { statuses, text } = await say(post(GOOD));
      return statuses[0] === 200 && text.includes('"done"');
    },
    async decided(limit = 80): Promise<readonly Decided[]> {
      const { json } = await bed.control('GET', `/v1/decisions?limit=${limit}`);
      return (json as { items: readonly Decided[] }).items;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([tools, agent].map((upstream) => upstream[Symbol.asyncDispose]()));
      await bed.close();
      await Promise.all([vendor.close(), stranger.close()]);
    },
  };
}

const configured = (yaml: string, vendor: OtherDomain): string =>
  `${yaml
    .replace('agents:\n', `agents:\n  clerk: { segment: desk, owner: test, purpose: foreign, spiffeId: "${CLERK}" }\n`)
    .replace('purpose: is called,', 'purpose: is called, token: required,')}
federation:
  vendor.example: { url: "${vendor.url}", profile: https_spiffe, endpointId: "${vendor.endpointId}", bundle: vendor.json }
`;
