// Labels of what a task has brought in: held from the moment that a call is forwarded, by whoever is in the task, and forgotten by nobody.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { type AccessRequest, accessRequestJson, parseAccessRequest } from '../src/domain/access.ts';
import type { World } from '../src/domain/registry.ts';
import type { SpiffeId } from '../src/domain/spiffe-id.ts';
import { createTaskLabels, type TaskLabels } from '../src/gateway/task-labels.ts';
import type { Snapshot } from '../src/pdp/snapshot.ts';
import { MOST_TASK_LIFE } from '../src/sts/task-token.ts';
import { type Answer, type Bed, openBed, POLICIES, send, type Svid, toolCall } from './support/bed.ts';
import { readLog, signedAll } from './support/log-reader.ts';

const LABELS = { crm: { confidential: ['read_customer'], internal: ['*'] }, hosts: { partner: ['*'] } };
const world = {
  segments: [],
  agents: [],
  tools: new Map(),
  resources: Object.entries(LABELS).map(([name, labels]) => ({ name, segment: 's', reads: [], tags: {}, labels })),
} as unknown as World;
const ALL = ['confidential', 'internal', 'partner'];

const snapshotOf = (...runs: readonly (readonly [run: string, since: number])[]): Snapshot =>
  ({ world, runs: new Map(runs.map(([run, since]) => [run, { agent: 'a', notAfter: 0, since }])) }) as unknown as Snapshot;

const spiffe = (run: string): SpiffeId => `spiffe://desk.example/agent/a/run/${run}` as SpiffeId;
const call = (run: string, id = 'crm/read_customer', more: Partial<AccessRequest> = {}): AccessRequest => ({
  subject: { type: 'agent', id: 'a', spiffeId: spiffe(run), run },
  action: { name: 'tools/call' },
  resource: { type: 'tool', id },
  context: { input: {} },
  ...more,
});
/** In the task `txn`, which the first of `chain` began. */
const within = (txn: string, ...chain: readonly string[]): Pick<AccessRequest, 'delegation'> => ({
  delegation: { txn, chain: chain.map(spiffe), mandate: [], token: 't', parents: [], expiresAt: 0 },
});
const labelsFor = (labels: TaskLabels, request: AccessRequest, snapshot: Snapshot): readonly string[] | undefined =>
  labels.labelled(request, snapshot).labels;

const NOW = 1_000;
const opened = (isShared = false, now = (): number => NOW): TaskLabels => createTaskLabels({ now, isShared });

void test('a tool gives its own labels and those of all of its server; what is no tool gives all of them', () => {
  const snapshot = snapshotOf(['r1', NOW]);
  const given = (request: AccessRequest): readonly string[] | undefined => {
    const labels = opened();
    labels.admit(request, snapshot);
    return labelsFor(labels, request, snapshot);
  };
  assert.deepEqual(given(call('r1')), ['confidential', 'internal']);
  assert.deepEqual(given(call('r1', 'crm/list_offices')), ['internal']);
  assert.deepEqual(given(call('r1', 'ledger/read_customer')), []);
  const resource = { action: { name: 'resources/read' }, resource: { type: 'mcp_server', id: 'crm' } } as const;
  assert.deepEqual(given(call('r1', '', resource)), ['confidential', 'internal']);
  for (const name of ['initialize', 'ping', 'server/discover', 'tools/list', 'prompts/list', 'resources/list', 'resources/templates/list'])
    assert.deepEqual(given(call('r1', '', { ...resource, action: { name } })), [], name);
  for (const name of ['prompts/get', 'completion/complete', 'resources/subscribe', 'whatever comes next'])
    assert.deepEqual(given(call('r1', '', { ...resource, action: { name } })), ['confidential', 'internal'], name);
  assert.deepEqual(given(call('r1', '', { ...resource, action: { name: 'subscriptions/listen' } })), ['internal']);
  assert.deepEqual(given(call('r1', '', { resource: { type: 'egress', id: 'hosts' } })), ['partner']);
  assert.deepEqual(given(call('r1', '', { resource: { type: 'agent', id: 'crm' } })), []);
});

void test('[I1] a run that began before the gateway did has every label, and so has one that nobody knows', () => {
  const labels = opened();
  const snapshot = snapshotOf(['old', NOW - 1], ['new', NOW]);
  assert.deepEqual(labelsFor(labels, call('old'), snapshot), ALL);
  assert.deepEqual(labelsFor(labels, call('new'), snapshot), []);
  assert.deepEqual(labelsFor(labels, call('ended'), snapshot), ALL);
  // whoever takes part may carry what it had
  assert.deepEqual(labelsFor(labels, call('old', undefined, within('t1', 'new', 'old')), snapshot), ALL);
  assert.deepEqual(labelsFor(labels, call('new', undefined, within('t2', 'old', 'new')), snapshot), ALL);
});

void test('[I3] beside other gateways a call that brings a label passes when all of them know it, and no sooner', () => {
  const labels = opened(true);
  const snapshot = snapshotOf(['r1', NOW]);
  const bringing = labels.bringing(call('r1'), snapshot);
  assert.ok(bringing);
  assert.throws(() => labels.admit(call('r1'), snapshot), { code: 'CORDON-9012' });
  assert.deepEqual(labels.learn(bringing, snapshot), { own: ['confidential', 'internal'], isNews: true });
  assert.deepEqual(labelsFor(labels, call('r1'), snapshot), ['confidential', 'internal'], 'it counts from when it is heard of');
  assert.deepEqual(labels.labelled(call('r1'), snapshot, ['confidential']).labels, ['internal'], 'but not for the call that brings it');
  assert.throws(() => labels.admit(call('r1'), snapshot), { code: 'CORDON-9012' });
  labels.settle(bringing);
  assert.equal(labels.bringing(call('r1'), snapshot), undefined);
  labels.admit(call('r1'), snapshot);
  assert.throws(() => labels.admit(call('r1', undefined, within('t1', 'r1')), snapshot), { code: 'CORDON-9012' }, 'the task is another');
  assert.deepEqual(labels.learn(bringing, undefined), { own: [], isNews: false });
});

void test('[I1] what one holds, another that begins with it holds as well, of runs that began since the first', () => {
  const first = opened();
  const snapshot = snapshotOf(['r1', NOW], ['old', NOW - 1]);
  first.admit(call('r1', undefined, within('t1', 'r1')), snapshot);
  const second = createTaskLabels({ now: () => NOW + 500, since: NOW, isShared: true });
  for (const bringing of first.list()) second.learn(bringing, snapshot);
  for (const one of [call('r1'), call('r1', 'mail/send', within('t1', 'r1')), call('old')])
    assert.deepEqual(labelsFor(second, one, snapshot), labelsFor(first, one, snapshot));
});

void test('[I4] a label goes with the task to whoever is in it, and stays with the run that read', () => {
  const labels = opened();
  const snapshot = snapshotOf(['r1', NOW], ['r2', NOW]);
  assert.equal(labels.admit(call('r2', undefined, within('t1', 'r1', 'r2')), snapshot).isNews, true);
  assert.equal(labels.admit(call('r2', undefined, within('t1', 'r1', 'r2')), snapshot).isNews, false, 'it has them');
  const both = ['confidential', 'internal'];
  assert.deepEqual(labelsFor(labels, call('r1', 'mail/send', within('t1', 'r1')), snapshot), both, 'who is in the task');
  assert.deepEqual(labelsFor(labels, call('r1', 'mail/send'), snapshot), [], 'who is in it, for itself: it has read nothing');
  // the run that read carries it into other tasks, and cannot lay it down with its token
  assert.deepEqual(labelsFor(labels, call('r2', 'mail/send'), snapshot), both);
  assert.deepEqual(labelsFor(labels, call('r2', 'mail/send', within('t2', 'r1', 'r2')), snapshot), both);
  assert.deepEqual(labelsFor(labels, call('r2', 'mail/send', within('own', 'r2')), snapshot), both);
});

void test('[I10] a run that begins tasks without end fills its own room, and takes none of the others', () => {
  let now = NOW;
  const labels = opened(false, () => now);
  const snapshot = snapshotOf(['r1', NOW], ['r2', NOW]);
  const begin = (run: string, txn: string): boolean => labels.admit(call(run, undefined, within(txn, run)), snapshot).isNews;
  for (let n = 0; n < 1023; n++) begin('r1', `t${n}`); // and the run itself
  assert.throws(() => begin('r1', 'one more'), { code: 'CORDON-4003' });
  assert.equal(begin('r2', 'of another'), true);
  assert.deepEqual(
    labelsFor(labels, call('r1', 'mail/send', within('t0', 'r1')), snapshot),
    ['confidential', 'internal'],
    'nothing was dropped',
  );
  now += MOST_TASK_LIFE * 1000;
  assert.equal(begin('r1', 'after the others are over'), true);
});

void test('what was kept reads back, and an unknown is not nothing', () => {
  const labelled = { ...call('r1'), labels: ['internal'] };
  assert.deepEqual(parseAccessRequest(accessRequestJson(labelled)), labelled);
  assert.equal(parseAccessRequest(accessRequestJson(call('r1'))).labels, undefined);
});

const OWN = `${POLICIES}
@id("out") permit (principal == Agent::"caller", action == Action::"egress/connect", resource);
@id("nothing-confidential-leaves")
@reason("the task has read what is confidential")
forbid (principal, action in [Action::"egress", Action::"a2a/message"], resource) when { context.labels.contains("confidential") };
@id("outside-once")
forbid (principal, action in Action::"egress", resource) when { context.labels.contains("outer") };
`;

describe('over the wire', () => {
  let bed: Bed;
  let host: Server;
  let port: number;
  before(async () => {
    host = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
    host.listen(0, '127.0.0.1');
    await once(host, 'listening');
    ({ port } = host.address() as { port: number });
    const outside = `
  outside:
    segment: tools
    egress: { hosts: ["127.0.0.1:${port}"], addresses: [127.0.0.0/8], tunnel: any }
    labels: { outer: ["*"] }
`;
    bed = await openBed({
      policies: OWN,
      configure: (yaml) =>
        yaml
          .replace('\npolicies:', `${outside}\npolicies:`)
          .replace('reads: [echo, slow]', 'reads: [echo, slow]\n    labels: { confidential: [echo], outer: [write] }'),
    });
    await bed.ready();
  });
  after(async () => {
    await (bed as Bed | undefined)?.close();
    host.close();
  });

  const tunnel = async (svid: Svid): Promise<{ head: string; socket: TLSSocket }> => {
    const { cert, key, ca } = svid;
    const socket = connect({
      host: '127.0.0.1',
      port: bed.ports.gateway,
      cert,
      key,
      ca,
      servername: '',
      checkServerIdentity: () => undefined,
    });
    socket.on('error', () => undefined);
    await once(socket, 'secureConnect');
    socket.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
    const [head] = (await once(socket, 'data')) as [Buffer];
    return { head: head.toString(), socket };
  };
  const echo = (svid: Svid): Promise<Answer> =>
    send({ port: bed.ports.gateway, method: 'POST', svid, ...toolCall('echo', { text: 'hi' }) });

  void test('[I6] a tunnel that stands open is cut by the read that makes it forbidden, and no other can be opened', async () => {
    const [caller, another] = [await bed.svid('caller'), await bed.svid('caller')];
    const mine = await tunnel(caller);
    const theirs = await tunnel(another);
    assert.match(mine.head, /^HTTP\/1\.1 200 /);
    mine.socket.write('bytes');
    assert.equal(String((await once(mine.socket, 'data'))[0]), 'bytes');
    const ended = once(mine.socket, 'close');
    assert.equal((await echo(caller)).status, 200);
    await ended;
    assert.match((await tunnel(caller)).head, /CORDON-3002/);
    // another run of the same agent has read nothing
    theirs.socket.write('still');
    assert.equal(String((await once(theirs.socket, 'data'))[0]), 'still');
    theirs.socket.destroy();
    await signedAll(bed);
    const { decisions, outcomes } = await readLog(bed);
    assert.ok(outcomes.some(({ status, code }) => status === 'cut' && code === 'CORDON-4008'));
    const denied = decisions.findLast(({ code }) => code === 'CORDON-3002') as { labels?: string[] } | undefined;
    assert.deepEqual(denied?.labels, ['confidential', 'outer']);
  });

  void test('[I6] what a tunnel brought in itself does not cut it, whatever else is decided again, until another call brings it in too', async () => {
    const caller = await bed.svid('caller');
    const { head, socket } = await tunnel(caller);
    assert.match(head, /^HTTP\/1\.1 200 /);
    assert.match((await tunnel(caller)).head, /CORDON-3002/, 'it has the label, and a denial speaks against it');
    assert.match((await tunnel(caller)).head, /CORDON-3002/);
    socket.write('still');
    assert.equal(String((await once(socket, 'data'))[0]), 'still');
    const ended = once(socket, 'close');
    const written = await send({ port: bed.ports.gateway, method: 'POST', svid: caller, ...toolCall('write', { line: 'x', amount: 1 }) });
    assert.match(written.text, /written/);
    await ended;
  });

  void test('[I1] after a restart a run that went on has every label, and one that begins now has none', async () => {
    const caller = await bed.svid('caller');
    assert.match((await tunnel(caller)).head, /^HTTP\/1\.1 200 /);
    await bed.stop('SIGKILL');
    await bed.start();
    await bed.ready();
    assert.match((await tunnel(caller)).head, /CORDON-3002/);
    const { head, socket } = await tunnel(await bed.svid('caller'));
    assert.match(head, /^HTTP\/1\.1 200 /);
    socket.destroy();
  });
});
