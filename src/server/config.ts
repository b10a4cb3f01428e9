// `cordon.yaml`: read, checked member by member, with the line of the first thing that does not fit and what would.
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import type { Address, Config, Limits, RemotePdpConfig, ResourceConfig, UpstreamConfig } from '../control/config.ts';
import { Refusal } from '../domain/refusal.ts';
import { RESOURCE_KINDS, type ResourceKind } from '../domain/registry.ts';
import { parseTrustDomain, type TrustDomain } from '../domain/spiffe-id.ts';
import { approvalsOf } from './config-approvals.ts';
import { attestationOf } from './config-attestation.ts';
import { authzenOf } from './config-authzen.ts';
import { dataPlanesOf } from './config-data-planes.ts';
import { federationOf } from './config-federation.ts';
import { operatorsOf } from './config-operators.ts';
import { CONFIG_FILE, type ConfigFile, type LimitsSection, type ResourceFile } from './config-file.ts';
import { deepest, misfit, placeOf, type Issue, type Source } from './config-place.ts';
import { tokensOf } from './config-tokens.ts';
import { egressOf } from './config-egress.ts';
import { httpOf } from './config-http.ts';
import { resilienceOf } from './config-resilience.ts';
import { rulesOf } from './containment-rules.ts';
import { isLoopback, milliseconds, PLAINTEXT } from './config-values.ts';
import { withManifests } from './manifests-file.ts';
import { isReading, withDocuments } from './openapi-file.ts';
import { workloadOf } from './config-workload.ts';

const MAX_BYTES = 1_048_576;

/** Reads and checks a configuration file. @throws Refusal CORDON-9006 with `path:line:column` */
export async function readConfig(path: string): Promise<Config> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new Refusal('CORDON-9006', `cannot read \`${path}\``, { cause, fix: 'make one: `cordon init`' });
  }
  return withManifests(await withDocuments(parseConfig(text, path)));
}

/** `path` names the file in messages, and relative paths in it start there. @throws Refusal CORDON-9006 */
export function parseConfig(text: string, path: string): Config {
  const source = parseYaml(text, path);
  const result = CONFIG_FILE.safeParse(plainOf(source));
  if (!result.success) throw misfit(source, deepest(result.error.issues));
  return configOf(result.data, dirname(resolve(path)), (issue) => misfit(source, issue));
}

function parseYaml(text: string, path: string): Source {
  if (text.length > MAX_BYTES) throw new Refusal('CORDON-9006', `\`${path}\` is longer than ${MAX_BYTES} bytes`);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, schema: 'core', merge: false });
  const [broken] = document.errors;
  if (broken === undefined) return { path, document, lines };
  const place = placeOf({ path, lines }, broken.pos[0]);
  const [why = 'no YAML'] = broken.message.split('\n', 1);
  throw new Refusal('CORDON-9006', `${place}: ${why.replace(/ at line \d+.*$/, '')}`, { fix: `edit ${place}` });
}

/** Aliases can make a small file a huge value; nothing in this file needs them. */
function plainOf({ document, path }: Source): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 });
  } catch (cause) {
    throw new Refusal('CORDON-9006', `${path}: anchors and aliases are not accepted`, { cause });
  }
}

type Misfit = (issue: Issue) => Refusal;

function configOf(from: ConfigFile, base: string, misfitAt: Misfit): Config {
  checkSegments(from, misfitAt);
  checkHosts(from, misfitAt);
  const { gateway, control, identity } = from.listen;
  return {
    base,
    trustDomain: domainOf(from.trustDomain, misfitAt),
    listen: { gateway: addressOf(gateway), control: addressOf(control), identity: addressOf(identity) },
    segments: Object.entries(from.segments).map(([name, row]) => ({ name, links: row?.links ?? [] })),
    agents: Object.entries(from.agents).map(([name, { a2a, attest: _attest, spiffeId: _spiffeId, resilience: _resilience, ...row }]) => ({
      name,
      ...row,
      ...(a2a === undefined ? {} : { a2a }),
    })),
    resources: Object.entries(from.resources).map(([name, row]) => resourceOf(name, row, misfitAt)),
    policies: resolve(base, from.policies),
    svidTtl: milliseconds(from.svid.ttl),
    maxStaleness: milliseconds(from.maxStaleness),
    limits: limitsOf(from.limits),
    drainMs: milliseconds(from.drain),
    resilience: resilienceOf(from),
    authzen: authzenOf(from.authzen, from, base, misfitAt),
    attestation: attestationOf(from, base, misfitAt),
    operators: operatorsOf({
      section: from.operators,
      session: milliseconds(from.operators?.session ?? '8h'),
      addressOf,
      refuse: misfitAt,
    }),
    pdp: from.pdp && remotePdpOf(from.pdp, from, misfitAt),
    tokens: tokensOf(from.tokens, from, base, misfitAt),
    workload: workloadOf(from.workload, base),
    federation: federationOf(from, base, misfitAt),
    containmentRules: rulesOf(from.containment),
    approvals: approvalsOf(from.approvals, base, misfitAt),
    dataPlanes: dataPlanesOf(from.dataPlanes, { registered: from, base, addressOf, refuse: misfitAt }),
  };
}

function domainOf(text: string, misfitAt: Misfit): TrustDomain {
  try {
    return parseTrustDomain(text);
  } catch {
    // said again with its line
    throw misfitAt({ path: ['trustDomain'], message: 'lower case letters, digits, `.`, `-`, `_`' });
  }
}

/** Every segment that is named exists. @throws Refusal CORDON-9006 */
function checkSegments(from: ConfigFile, misfitAt: Misfit): void {
  const segments = new Set(Object.keys(from.segments));
  const check = (segment: string, path: readonly PropertyKey[]): void => {
    if (segments.has(segment)) return;
    throw misfitAt({ path, message: `no segment is called \`${segment}\`; there are: ${[...segments].join(', ')}` });
  };
  for (const [segment, row] of Object.entries(from.segments)) {
    for (const [index, link] of (row?.links ?? []).entries()) check(link, ['segments', segment, 'links', index]);
  }
  for (const [name, { segment }] of Object.entries(from.agents)) check(segment, ['agents', name, 'segment']);
  for (const [name, { segment }] of Object.entries(from.resources)) check(segment, ['resources', name, 'segment']);
}

/** A host is of one resource, so that there is one answer to what policy is asked. @throws Refusal CORDON-9006 */
function checkHosts({ resources }: ConfigFile, misfitAt: Misfit): void {
  const owners = new Map<string, string>();
  for (const [name, { egress }] of Object.entries(resources)) {
    for (const [index, { host, port, below }] of (egress?.hosts ?? []).entries()) {
      const key = `${below ? '*.' : ''}${host}:${port}`;
      const owner = owners.get(key);
      if (owner !== undefined)
        throw misfitAt({ path: ['resources', name, 'egress', 'hosts', index], message: `\`${key}\` is of \`${owner}\`` });
      owners.set(key, name);
    }
  }
}

function resourceOf(
  name: string,
  { segment, reads, tags, labels, manifests, token, ...row }: ResourceFile,
  misfitAt: Misfit,
): ResourceConfig {
  const kinds = RESOURCE_KINDS.filter((one) => one in row);
  const [kind = 'mcp'] = kinds;
  if (kinds.length !== 1) throw misfitAt({ path: ['resources', name], message: `one of ${RESOURCE_KINDS.join(', ')}` });
  const upstream = upstreamOf(name, row, misfitAt);
  const reading = upstream.kind === 'api' ? upstream.routes.flatMap((route) => (isReading(route) ? [route.name] : [])) : [];
  return {
    name,
    segment,
    kind,
    reads: reads ?? reading,
    readsGiven: reads !== undefined,
    tags,
    ...(labels === undefined ? {} : { labels }),
    ...(manifests === undefined ? {} : { manifestsFile: manifests }),
    token,
    upstream,
  };
}

function upstreamOf(name: string, { mcp, http, egress }: Pick<ResourceFile, ResourceKind>, misfitAt: Misfit): UpstreamConfig {
  if (egress !== undefined) return egressOf(name, egress, misfitAt);
  if (http !== undefined) return httpOf(name, http, misfitAt);
  if (mcp === undefined) throw misfitAt({ path: ['resources', name], message: 'nothing says what it is' });
  if ('stdio' in mcp) return { kind: 'stdio', command: mcp.stdio, env: mcp.env, asks: mcp.asks };
  const url = new URL(mcp.url);
  const plaintext = url.protocol === 'http:';
  if (plaintext && !(mcp.allowPlaintextLoopback && isLoopback(url))) {
    throw misfitAt({ path: ['resources', name, 'mcp', 'url'], message: PLAINTEXT });
  }
  return { kind: 'http', url, plaintext, ...(mcp.credential === undefined ? {} : { credential: mcp.credential }) };
}

function remotePdpOf(
  { url: text, resource, key, ...rest }: NonNullable<ConfigFile['pdp']>,
  from: ConfigFile,
  misfitAt: Misfit,
): RemotePdpConfig {
  const url = new URL(text);
  const plaintext = url.protocol === 'http:';
  if (plaintext && !(rest.allowPlaintextLoopback && isLoopback(url))) {
    throw misfitAt({ path: ['pdp', 'url'], message: PLAINTEXT });
  }
  if (!plaintext && (resource === undefined || !Object.hasOwn(from.resources, resource))) {
    throw misfitAt({ path: ['pdp', 'resource'], message: 'over https, the registered resource whose SVID must answer' });
  }
  return { url, resource: plaintext ? undefined : resource, ...(key === undefined ? {} : { key }), timeoutMs: milliseconds(rest.timeout) };
}

function addressOf(text: string): Address {
  const colon = text.lastIndexOf(':');
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(text.slice(colon + 1)) };
}

/** Of connections, a run that makes all the calls at once that it may has use for as many, and as many that are about to close. */
const limitsOf = ({ connections, handshake, head, request, idle, stall, ...rest }: LimitsSection): Limits => ({
  ...rest,
  connections: connections ?? 2 * rest.concurrent,
  handshakeMs: milliseconds(handshake),
  headMs: milliseconds(head),
  requestMs: milliseconds(request),
  idleMs: milliseconds(idle),
  stallMs: milliseconds(stall),
});
