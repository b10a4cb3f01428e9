// What a rogue agent tries, chosen by a seed: a call that would pass, and things wrong with it; and requests that were never a call of its own.
import { Random } from '../../conformance/random.ts';
import { type Sent, toolCall } from './bed.ts';
import { formOf, EXCHANGE, TYPE } from './oauth-bed.ts';
import type { RogueWorld } from './rogue-world.ts';

export interface Attempt extends Sent {
  readonly kind: Kind;
}

/** Some attempts are nearly sound, so that they get far; in others little is. */
class Tempted extends Random {
  readonly #sound: number;

  constructor(by: Random) {
    super(by.below(2 ** 31));
    this.#sound = by.pick([0.99, 0.95, 0.8, 0.5]);
  }

  /** Whether the next part of it is as it should be. */
  isSound(): boolean {
    return this.chance(this.#sound);
  }
}

type Make = (random: Tempted, world: RogueWorld, held: readonly string[]) => Omit<Sent, 'svid'> & Partial<Pick<Sent, 'svid'>>;

/** One of `held`, which grows as the rogue is given tokens, or what it has found or made. */
function tokenFor(random: Tempted, { token, arrived }: RogueWorld, held: readonly string[]): Record<string, string> {
  const own = (): string => random.pick(held);
  if (random.isSound()) return { authorization: `Bearer ${own()}` };
  const [head = '', claims = '', signature = ''] = own().split('.');
  const seen = arrived.at(-1)?.headers['txn-token'];
  const wider = { ...(JSON.parse(Buffer.from(claims, 'base64url').toString()) as object), authorization_details: [] };
  const none = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url');
  const forged = Buffer.from(JSON.stringify(wider)).toString('base64url');
  const tokens: readonly (() => string)[] = [
    own,
    own,
    () => token.ofCallee,
    () => token.ofEnded,
    () => token.ofUser,
    () => String(seen),
    () => `${head}.${forged}.${signature}`,
    () => `${none}.${forged}.`,
    () => own().toUpperCase(),
  ];
  const scheme = random.pick(['Bearer', 'Bearer', 'Bearer', 'bearer', 'DPoP', 'Basic', 'Bearer Bearer']);
  return random.chance(0.15) ? {} : { authorization: `${scheme} ${random.pick(tokens)()}` };
}

const NAMES = [
  'write',
  'Write',
  'WRITE',
  'wr\u0456te',
  'write\u200b',
  'wri\u0074e ',
  'ｗrite',
  ' write',
  'write\u0000',
  'bench/write',
  '../safe/write',
  'secret',
  'echo',
  '',
  '__proto__',
  'constructor',
];
const LINES = [
  '"note:x"',
  '"note:"',
  '"x"',
  '"Note:x"',
  '"nоte:x"',
  '"\\u006eote:x"',
  '["note:x"]',
  '{"line":"note:x"}',
  'null',
  '7',
  '""',
];
const AMOUNTS = [
  '1',
  '10',
  '0',
  '11',
  '100',
  '101',
  '-1',
  '-0',
  '10.0',
  '1e1',
  '1e3',
  '1E400',
  '9007199254740993',
  '18446744073709551617',
  '"1"',
  '"10000"',
  '[1]',
  '{"valueOf":1}',
  'null',
  'true',
  '0.1',
  '00',
  '+1',
  '0x1',
  '1n',
  'NaN',
  '9'.repeat(400),
];

/** Text of JSON arguments: types mixed up, keys twice, in other cases, or more than the tool has. */
function argumentsFor(random: Tempted): string {
  const member = (name: string, values: readonly string[]): string =>
    random.chance(0.9) ? `${JSON.stringify(name)}:${random.pick(values)}` : '';
  const more = random.some(
    [
      `"amount":${random.pick(AMOUNTS)}`,
      '"line":"x"',
      '"Amount":5000',
      '"amount\\u0000":5000',
      '"\\u0061mount":5000',
      '"аmount":5000',
      '"__proto__":{"amount":1}',
      '"constructor":{"prototype":{"amount":1}}',
      '"account":"mallory"',
      `"deep":${'['.repeat(random.pick([1, 70, 3_000]))}`,
    ],
    random.isSound() ? 0 : 0.1,
  );
  const line = random.isSound() ? '"line":"note:x"' : member('line', LINES);
  return `{${random
    .shuffled([line, member('amount', AMOUNTS), ...more])
    .filter((one) => one !== '')
    .join(',')}}`;
}

const PATHS = [
  '/mcp/bench',
  '/mcp/safe',
  '/mcp/Bench',
  '/mcp/bench/',
  '/mcp/bench/../safe',
  '/mcp/%62ench',
  '/mcp/bench%2f..%2fsafe',
  '//mcp/safe',
  '/mcp/safe?x=/mcp/bench',
  '/mcp/b\u0435nch',
];
const METHODS = ['tools/call', 'tools/Call', 'tools/call ', 'tools/list', 'initialize', 'resources/read', 'sampling/createMessage', ''];
const VERSIONS = ['2026-07-28', '2026-07-28', '2026-07-28', '2025-11-25', '2024-11-05', '1'];

const headerText = (value: string): string =>
  Buffer.from(value, 'utf8')
    .toString('latin1')
    .replaceAll(/[\0\r\n]/g, '');

const mcp: Make = (random, world, held) => {
  const name = random.isSound() ? 'write' : random.pick(NAMES);
  const base = toolCall('write', {});
  const mostly = (usual: string, others: readonly string[]): string => (random.isSound() ? usual : random.pick(others));
  const said = mostly(name, NAMES);
  const method = mostly('tools/call', METHODS);
  const meta = mostly('"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}', [
    '',
    '"agent":"callee"',
  ]);
  const message = `{"jsonrpc":"2.0","id":${mostly('1', ['null', '"1"', '1.5', '{}'])},"method":${JSON.stringify(method)},"params":{"name":${JSON.stringify(said)},"arguments":${argumentsFor(random)},"_meta":{${meta}}}}`;
  return {
    port: world.bed.ports.gateway,
    path: encodeURI(mostly('/mcp/bench', PATHS)).replaceAll('%25', '%'),
    body: mostly(message, [
      `[${message}]`,
      `${message}${message}`,
      `\ufeff${message}`,
      message.slice(0, -1),
      message.replace('"params"', '"params":{},"params"'),
    ]),
    headers: {
      ...base.headers,
      'mcp-protocol-version': mostly('2026-07-28', VERSIONS),
      'mcp-method': headerText(mostly(method, METHODS)),
      'mcp-name': headerText(mostly(said, NAMES)),
      ...headersFor(random, world),
      ...tokenFor(random, world, held),
    },
  };
};

/** Headers in which others are named, or that say what another hop would be told. */
function headersFor(random: Tempted, { arrived, ended }: RogueWorld): Record<string, string> {
  const all: Record<string, string> = {
    'mcp-session-id': random.pick(['1', 'callee', crypto.randomUUID()]),
    'txn-token': String(arrived.at(-1)?.headers['txn-token'] ?? 'x'),
    'x-forwarded-client-cert': 'URI=spiffe://test.example/agent/callee/run/r',
    'x-original-url': '/mcp/safe',
    'x-http-method-override': 'DELETE',
    'x-cordon-agent': 'callee',
    'last-event-id': ended.run,
    'content-type': random.pick(['application/json; charset=utf-16', 'text/plain', 'application/json']),
    'content-encoding': 'gzip',
    traceparent: '00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-01',
  };
  return Object.fromEntries(random.some(Object.entries(all), random.isSound() ? 0 : 0.15));
}

const a2a: Make = (random, world, held) => ({
  port: world.bed.ports.gateway,
  path: random.pick([
    '/a2a/callee',
    '/a2a/callee',
    '/a2a/caller',
    '/a2a/other',
    '/a2a/Callee',
    '/a2a/callee/message:send',
    '/a2a/callee/tasks/1',
  ]),
  headers: { 'a2a-version': random.pick(['1.0', '1.0', '0.3', '']), ...headersFor(random, world), ...tokenFor(random, world, held) },
  body: JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: random.pick(['SendMessage', 'SendMessage', 'SendStreamingMessage', 'GetTask', 'CancelTask', 'ListTasks', 'message/send']),
    params: {
      id: 'task-1',
      message: { messageId: 'm', role: 'ROLE_USER', contextId: 'c-of-another', taskId: 'task-1', parts: [{ text: 'write it' }] },
    },
  }),
});

const INVOICES = ['8', '07', '7.0', '7e0', '%37', '٧', '7/../8', '7%2f..%2f8', '7;x=8', '7?id=8', '7%00', '-7', '+7', '7 '];

const http: Make = (random, world, held) => {
  const api = random.isSound() ? 'billing' : random.pick(['closed', 'Billing', 'billing/../closed', 'billing%2f..%2fclosed']);
  const method = random.isSound() ? 'POST' : random.pick(['PUT', 'DELETE', 'PATCH', 'GET', 'OPTIONS']);
  const direct = random.chance(0.05) ? `http://127.0.0.1:${world.closed.port}/v1` : `/api/${api}`;
  const end = random.isSound() ? '/payments' : random.pick(['/payments/', '/Payments', '', '/payments?amount=5000', '/payments#x']);
  const invoice = random.isSound() ? '7' : random.pick(INVOICES);
  const withToken = random.chance(0.2) ? tokenFor(random, world, held) : {};
  return {
    port: world.bed.ports.gateway,
    path: encodeURI(`${direct}/invoices/${invoice}${end}`).replaceAll('%25', '%'),
    method,
    headers: { ...headersFor(random, world), ...withToken },
    ...(method === 'GET' ? {} : { body: argumentsFor(random).replaceAll(/"line"/g, () => (random.isSound() ? '"note"' : '"line"')) }),
  };
};

/** At what operators alone may do: its own level, policies, runs, grants; and with the token service, for more than it has. */
const control: Make = (random, world) => {
  const [method, path, body] = random.pick<readonly [string, string, object?]>([
    ['POST', '/v1/agents/caller/level', { level: 'normal', reason: 'mine' }],
    ['POST', '/v1/agents/callee/level', { level: 'off', reason: 'mine' }],
    ['POST', '/v1/runs', { kind: 'agent', name: 'callee' }],
    ['DELETE', `/v1/runs/${world.ended.run}`],
    ['POST', '/v1/policies/apply', { files: [{ name: 'a.cedar', text: 'permit (principal, action, resource);' }] }],
    ['POST', '/v1/policies/rollback', { reason: 'mine' }],
    ['GET', '/v1/decisions?limit=5'],
    ['POST', '/v1/grants/gr_1/approve', { reason: 'mine' }],
  ]);
  return { port: world.bed.ports.control, path, method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
};

const WIDER = [
  [],
  [{ type: 'cordon_task', actions: ['*'], locations: ['*'] }],
  [{ type: 'cordon_task', actions: ['tools/call'], locations: ['tool:bench/*'] }],
  [{ type: 'cordon_task', actions: ['tools/call'], locations: ['tool:bench/write'] }],
  [{ type: 'cordon_task', actions: ['tools/call'], locations: ['tool:bench/write'], arguments: { amount: { max: 5_000 } } }],
  [
    {
      type: 'cordon_task',
      actions: ['tools/call'],
      locations: ['tool:bench/write'],
      arguments: { amount: { max: 3 } },
      budget: { calls: 9_999 },
    },
  ],
];

const exchange: Make = (random, { bed, token, arrived }, held) => ({
  port: bed.ports.control,
  path: '/oauth2/token',
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
  body: formOf({
    grant_type: EXCHANGE,
    subject_token: random.pick([
      random.pick(held),
      random.pick(held),
      token.ofCallee,
      token.ofEnded,
      String(arrived.at(-1)?.headers['txn-token']),
    ]),
    subject_token_type: random.pick([TYPE.access, TYPE.access, TYPE.txn, TYPE.jwt]),
    ...(random.chance(0.7) ? { authorization_details: JSON.stringify(random.pick(WIDER)) } : {}),
  }),
});

const KINDS = { mcp, a2a, http, control, exchange } as const satisfies Record<string, Make>;
export type Kind = keyof typeof KINDS;
const SHARE: readonly Kind[] = ['mcp', 'mcp', 'mcp', 'mcp', 'mcp', 'mcp', 'http', 'http', 'http', 'http', 'a2a', 'a2a'];

/** With its own certificate, now and then with one of a run that has ended. `held`: the tokens that it was given. */
export function attemptOf(random: Random, world: RogueWorld, held: readonly string[]): Attempt {
  const kind = random.chance(0.02) ? random.pick<Kind>(['control', 'exchange']) : random.pick(SHARE);
  return { svid: random.chance(0.005) ? world.ended : world.rogue, ...KINDS[kind](new Tempted(random), world, held), kind };
}
