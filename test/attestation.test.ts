// Who may become a run of whom, over real sockets and through the command: registration, the launcher, tokens for other hosts, posture.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, realpathSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createRequest, generateKeyPem } from '../src/crypto/x509.ts';
import { openBed, send, type Answer, type Bed, type Svid } from './support/bed.ts';
import { cordon as run, type Ran } from './support/cordon.ts';
import { askRenewal } from './support/join.ts';

const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');
const NODE = sha256(readFileSync(realpathSync(process.execPath)));
const [PROMPT, OTHER_PROMPT] = [sha256('pay only what was ordered'), sha256('pay everything')];
const SCRIPT = 'process.stdout.write(process.env.CORDON_JOIN_TOKEN === undefined ? "nobody" : "somebody");\n';
const LOCK = '{"lockfileVersion":3}\n';

const entriesOf = (yaml: string): string =>
  yaml.replace(
    'caller: { segment: desk, owner: test, purpose: calls }',
    `caller:
    segment: desk
    owner: test
    purpose: calls
    attest:
      - launcher: { uid: ${process.getuid?.() ?? 0}, digest: ${NODE}, script: ${sha256(SCRIPT)}, lock: ${sha256(LOCK)} }
        composition: { prompt: ${PROMPT} }`,
  );

const POLICY = `@id("desk-talks")
permit (principal in Segment::"desk", action == Action::"a2a/GetAgentCard", resource == Agent::"callee");
`;

type Row = { readonly [member: string]: unknown };

describe('attestation', () => {
  let bed: Bed;
  before(async () => {
    bed = await openBed({ tools: false, configure: entriesOf, policies: POLICY });
    await writeFile(join(bed.dir, 'agent.mjs'), SCRIPT);
    await writeFile(join(bed.dir, 'package-lock.json'), LOCK);
  });
  after(() => bed.close());

  const cordon = (...args: readonly string[]): Promise<Ran> =>
    run([...args, '--data', bed.data, '--config', join(bed.dir, 'cordon.yaml')], { cwd: bed.dir });
  const started = (...args: readonly string[]): Promise<Ran> => run(['run', '--data', bed.data, ...args], { cwd: bed.dir });
  const json = async (...args: readonly string[]): Promise<Row> => JSON.parse((await cordon(...args, '--json')).stdout) as Row;
  const records = async (): Promise<readonly Row[]> =>
    ((await bed.control('GET', '/v1/decisions?limit=200')).json as { items: readonly Row[] }).items;

  const joinWith = async (token: string): Promise<Answer & { readonly key: string }> => {
    const key = await generateKeyPem();
    const csr = Buffer.from(await createRequest(key)).toString('base64');
    const body = JSON.stringify({ token, csr });
    const answer = await send({ port: bed.ports.identity, path: '/v1/join', body, svid: { rejectUnauthorized: false } as object });
    return { ...answer, key: key.privateKey };
  };
  const tokenOf = async (launcher: object): Promise<Answer> => bed.control('POST', '/v1/runs', { kind: 'agent', name: 'caller', launcher });
  const GOOD = { uid: process.getuid?.() ?? 0, digest: NODE, script: sha256(SCRIPT), locks: [sha256(LOCK)] };
  const svidOf = async (launcher: object): Promise<Svid & { run: string }> => {
    const { json: made } = await tokenOf(launcher);
    const joined = await joinWith(String(made['token']));
    assert.equal(joined.status, 200, joined.text);
    return { cert: String(joined.json['svid']), key: joined.key, ca: String(made['bundle']), run: String(made['run']) };
  };
  const card = (svid: Svid): Promise<Answer> =>
    send({ port: bed.ports.gateway, svid, method: 'GET', path: '/a2a/callee/.well-known/agent-card.json' });
  const report = (svid: Svid, composition: object): Promise<Answer> =>
    send({ port: bed.ports.control, path: '/v1/posture', svid, body: JSON.stringify({ composition }) });

  describe('by the launcher', () => {
    test('what was registered is started: executable, script and lock file as the entry says', async () => {
      const { code, stdout, stderr } = await started('--as', 'caller', '--', process.execPath, 'agent.mjs');
      assert.deepEqual([code, stdout], [0, 'somebody'], stderr);
    });

    test('another script is not, with what was seen and what the nearest entry wants; nothing is started', async () => {
      await writeFile(join(bed.dir, 'evil.mjs'), SCRIPT.replace('nobody', 'anybody'));
      const { code, stdout, stderr } = await started('--as', 'caller', '--', process.execPath, 'evil.mjs');
      assert.deepEqual([code, stdout], [125, '']);
      assert.match(
        stderr,
        /^x CORDON-1012 no registration entry matches this workload as agent `caller`\n {2}why {2}observed {2}.*launcher:script=[0-9a-f]{8}\.\./,
      );
      assert.match(stderr, /expected {2}entry `caller` wants launcher:script=[0-9a-f]{8}\.\. {2}\(1 of 4 differ\)/);
      assert.match(stderr, /fix {2}cordon agent register caller --selector 'launcher:/);
    });

    test('a lock file that changed is not', async () => {
      await writeFile(join(bed.dir, 'package-lock.json'), '{"lockfileVersion":4}\n');
      const { code, stderr } = await started('--as', 'caller', '--', process.execPath, 'agent.mjs');
      await writeFile(join(bed.dir, 'package-lock.json'), LOCK);
      assert.equal(code, 125);
      assert.match(stderr, /wants launcher:lock=/);
    });

    test('a launcher that says nothing starts nobody whose entries ask for something, and anybody who has no such entry', async () => {
      assert.equal((await bed.control('POST', '/v1/runs', { kind: 'agent', name: 'caller' })).json['code'], 'CORDON-1012');
      assert.equal((await tokenOf({ ...GOOD, uid: 4242 })).json['code'], 'CORDON-1012');
      assert.equal((await bed.control('POST', '/v1/runs', { kind: 'agent', name: 'other' })).status, 200);
    });

    test('[I3] who was turned away is on record', async () => {
      const row = (await records()).find(({ action, code }) => action === 'attest/launcher' && code === 'CORDON-1012');
      assert.match(String(row?.['reason']), /entry `caller` wants/);
    });
  });

  describe('posture', () => {
    test('a run that reports what was registered renews; one that has drifted does not, until an operator has looked', async () => {
      const svid = await svidOf(GOOD);
      assert.deepEqual((await report(svid, { prompt: PROMPT })).json['drift'], []);
      assert.equal((await askRenewal(bed, svid)).status, 200);
      assert.deepEqual((await report(svid, { prompt: OTHER_PROMPT })).json['drift'], ['prompt']);
      const refused = await askRenewal(bed, svid);
      assert.equal(refused.json['code'], 'CORDON-1015', refused.text);
      // its own word does not lift what its own word has raised
      assert.deepEqual((await report(svid, { prompt: PROMPT })).json['drift'], ['prompt']);
      assert.equal((await askRenewal(bed, svid)).json['code'], 'CORDON-1015');

      const shown = (await cordon('agent', 'get', 'caller')).stdout;
      assert.match(shown, new RegExp(`x ${svid.run} .*risk 40: drift 40.*drift: prompt`));
      const path = `/v1/runs/${svid.run}/posture`;
      const again = await bed.control('POST', path, { composition: { prompt: OTHER_PROMPT }, reason: 'looked' });
      assert.deepEqual(again.json['drift'], ['prompt'], 'what is not registered stays drift, whoever says it');
      const lifted = await bed.control('POST', path, { composition: { prompt: PROMPT }, reason: 'restarted with the right prompt' });
      assert.deepEqual(lifted.json['drift'], []);
      assert.doesNotMatch((await cordon('agent', 'get', 'caller')).stdout, new RegExp(`${svid.run} .*risk`));
      assert.equal((await askRenewal(bed, svid)).status, 200);
    });

    test('a part that nobody registered may be reported once, and drifts when it changes', async () => {
      const svid = await svidOf(GOOD);
      assert.deepEqual((await report(svid, { prompt: PROMPT, model: 'm-1' })).json['drift'], []);
      assert.deepEqual((await report(svid, { model: 'm-2' })).json['drift'], ['model']);
      assert.equal((await askRenewal(bed, svid)).json['code'], 'CORDON-1015');
    });

    test('an executable that the attestor saw is not talked away', async () => {
      const svid = await svidOf(GOOD);
      assert.deepEqual((await report(svid, { binary: PROMPT })).json['drift'], ['binary']);
    });

    test('[I7] nobody speaks for another run, and nonsense is refused', async () => {
      const svid = await svidOf(GOOD);
      const spoofed = await send({
        port: bed.ports.control,
        path: '/v1/posture',
        svid,
        body: JSON.stringify({ run: 'OTHER', composition: {} }),
      });
      assert.equal(spoofed.json['code'], 'CORDON-9011');
      for (const composition of [
        { prompt: 'short' },
        { prompt: PROMPT.toUpperCase() },
        { shoe: PROMPT },
        { model: 'a\nb' },
        { model: '' },
      ]) {
        assert.equal((await report(svid, composition)).json['code'], 'CORDON-9011', JSON.stringify(composition));
      }
      const agent = await send({
        port: bed.ports.control,
        path: `/v1/runs/${svid.run}/posture`,
        svid,
        body: JSON.stringify({ composition: {}, reason: 'me' }),
      });
      assert.equal(agent.json['code'], 'CORDON-1014', 'a workload is no operator');
    });

    test('drift of an entry of the file is approved in the file', async () => {
      const svid = await svidOf(GOOD);
      await report(svid, { prompt: OTHER_PROMPT });
      const { code, stderr } = await cordon('agent', 'approve', 'caller', '--run', svid.run, '--reason', 'fine');
      assert.equal(code, 2);
      assert.match(stderr, /cordon\.yaml/);
    });
  });

  describe('registration over the API', () => {
    test('an agent that is registered calls at once, and not after it was deleted', async () => {
      const unknown = await cordon('agent', 'register', 'newcomer');
      assert.equal(unknown.code, 2);
      assert.match(unknown.stderr, /it needs a segment, an owner and a purpose/);
      assert.equal((await bed.control('POST', '/v1/runs', { kind: 'agent', name: 'newcomer' })).json['code'], 'CORDON-1014');

      const made = await cordon('agent', 'register', 'newcomer', '--segment', 'desk', '--owner', 'ops', '--purpose', 'tries things');
      assert.equal(made.code, 0, made.stderr);
      assert.match(made.stdout, /v agent newcomer is registered\n {2}undo cordon agent delete newcomer --reason TEXT/);
      assert.match((await cordon('agent', 'register', 'newcomer', '--segment', 'desk')).stdout, /nothing has changed/);
      const [svid, listed] = [await bed.svid('newcomer'), await cordon('agent', 'list')];
      assert.match(listed.stdout, /newcomer +desk +normal +1 /);
      assert.match((await card(svid)).text, /CORDON-9010/, 'permitted, and nobody answers there');

      const [planned, detail] = [
        await json('agent', 'delete', 'newcomer', '--reason', 'test', '--dry-run'),
        await json('agent', 'get', 'newcomer'),
      ];
      assert.deepEqual(planned['loses'], [{ action: 'a2a/GetAgentCard', resource: 'callee', access: 'always' }]);
      assert.deepEqual(
        [planned['removed'], (planned['runs'] as unknown[]).length, detail['source'], detail['owner']],
        [false, 1, 'api', 'ops'],
      );
      const gone = await cordon('agent', 'delete', 'newcomer', '--reason', 'test');
      assert.match(gone.stdout, /v newcomer is no agent any more; with it went 0 entries, 1 live run/);
      assert.match((await card(svid)).text, /CORDON-4005/);
      assert.equal((await bed.control('POST', '/v1/runs', { kind: 'agent', name: 'newcomer' })).json['code'], 'CORDON-1014');
    });

    test('the file wins: what it says is neither changed nor deleted', async () => {
      for (const args of [
        ['register', 'caller', '--segment', 'vault'],
        ['register', 'caller', '--owner', 'somebody else'],
        ['delete', 'caller', '--reason', 'test'],
      ]) {
        const { code, stderr } = await cordon('agent', ...args);
        assert.equal(code, 2, stderr);
        assert.match(stderr, /cordon\.yaml/);
      }
      const { entries } = (await json('agent', 'get', 'caller')) as { entries: readonly { id: string; selectors: readonly string[] }[] };
      const selectors = entries[0]?.selectors.flatMap((selector) => ['--selector', selector]) ?? [];
      const other = await cordon('agent', 'register', 'caller', ...selectors);
      assert.match(other.stderr, /with these selectors is there and says otherwise: cordon\.yaml wins/);
      const removed = await cordon('agent', 'delete', 'caller', '--entry', entries[0]?.id ?? '', '--reason', 'test');
      assert.match(removed.stderr, /cordon\.yaml, under `caller`, which wins/);
    });

    const WRONG: readonly (readonly [why: string, order: object, message: RegExp])[] = [
      ['a selector that is none', { selectors: ['unix:user:me'] }, /no selector/],
      ['a uid that is none', { selectors: ['unix:uid:-1'] }, /no selector/],
      ['a uid with a zero before it', { selectors: ['unix:uid:007'] }, /no selector/],
      ['a digest in capitals', { selectors: [`unix:sha256:${'A'.repeat(64)}`] }, /no selector/],
      ['selectors of two attestors', { selectors: ['unix:uid:1', 'oidc:iss:https://a.example'] }, /one attestor/],
      ['two users', { selectors: ['unix:uid:1', 'unix:uid:2'] }, /no workload has both/],
      ['a subject without its issuer', { selectors: ['oidc:sub:me'] }, /needs `oidc:iss`/],
      ['an issuer alone', { selectors: ['oidc:iss:https://a.example'] }, /fit nearly anybody/],
      ['a lifetime of a second', { selectors: ['unix:uid:1'], ttl: 1000 }, /ttl/],
      ['a part that is none', { selectors: ['unix:uid:1'], composition: { shoe: '1' } }, /no part of a composition/],
      ['a thousand selectors', { selectors: Array.from({ length: 1000 }, (_, at) => `unix:uid:${at}`) }, /selectors/],
      ['a selector of a megabyte', { selectors: [`unix:path:/${'x'.repeat(200_000)}`] }, /selectors/],
      ['an agent in a segment that is not there', { name: 'lost', segment: 'nowhere', owner: 'x', purpose: 'y' }, /no segment is called/],
      ['a name with a slash', { name: 'other/run/X' }, /name/],
      ['a resource that is not there', { kind: 'resource', name: 'nothing', selectors: ['unix:uid:1'] }, /no resource is registered/],
    ];
    for (const [why, order, expected] of WRONG) {
      test(`${why} is refused`, async () => {
        const { status, json: answer } = await bed.control('POST', '/v1/agents', { name: 'other', ...order });
        assert.ok(status >= 400);
        assert.match(String(answer['message']), expected);
      });
    }

    test('entries and agents survive a restart; an entry that is taken away ends the runs that it let in', async () => {
      await cordon('agent', 'register', 'keeper', '--segment', 'desk', '--owner', 'ops', '--purpose', 'stays');
      const launcher = { ...GOOD, digest: PROMPT };
      const made = await json(
        'agent',
        'register',
        'keeper',
        '--selector',
        `launcher:digest:${PROMPT}`,
        '--expect',
        'model=m-1',
        '--ttl',
        '2m',
      );
      const entry = (made['entry'] as { id: string }).id;
      await bed.stop();
      await bed.start();
      const { json: run1 } = await bed.control('POST', '/v1/runs', { kind: 'agent', name: 'keeper', launcher });
      const joined = await joinWith(String(run1['token']));
      assert.equal(joined.status, 200, joined.text);
      assert.ok(Number(joined.json['expires_at']) - Date.now() <= 121_000);
      assert.equal((await bed.control('POST', '/v1/runs', { kind: 'agent', name: 'keeper', launcher: GOOD })).json['code'], 'CORDON-1012');
      const svid = { cert: String(joined.json['svid']), key: joined.key, ca: String(run1['bundle']) };
      assert.deepEqual((await report(svid, { model: 'm-2' })).json['drift'], ['model']);
      await bed.stop('SIGKILL');
      await bed.start();
      assert.equal((await askRenewal(bed, svid)).json['code'], 'CORDON-1015', 'drift survives a restart');
      const approved = await cordon('agent', 'approve', 'keeper', '--run', String(run1['run']), '--reason', 'm-2 was reviewed');
      assert.equal(approved.code, 0, approved.stderr);
      assert.equal((await askRenewal(bed, svid)).status, 200);
      assert.match((await cordon('agent', 'delete', 'other', '--entry', entry, '--reason', 'x')).stderr, /is not one of `other`/);
      const deleted = await cordon('agent', 'delete', 'keeper', '--entry', entry, '--reason', 'retired');
      assert.match(deleted.stdout, /1 run that it let in ended/);
      assert.equal((await askRenewal(bed, svid)).json['code'], 'CORDON-4005');
    });
  });

  describe('by a token for another host', () => {
    test('one workload joins with it, once', async () => {
      const made = await json('agent', 'token', 'other', '--ttl', '10m');
      const first = await joinWith(String(made['token']));
      assert.equal(first.status, 200, first.text);
      assert.match(String(first.json['spiffe_id']), /\/agent\/other\/run\//);
      const replayed = await joinWith(String(made['token']));
      assert.equal(replayed.json['code'], 'CORDON-1005');
      const detail = (await json('agent', 'get', 'other')) as {
        runs: readonly { posture?: { attestor: string; selectors: readonly string[] } }[];
      };
      const posture = detail.runs.map((each) => each.posture).findLast((each) => each?.attestor === 'join_token');
      assert.deepEqual(posture?.selectors, [`join_token:${String(made['id'])}`]);
    });

    test('[I5] of two who join with it at once one does', async () => {
      const made = await json('agent', 'token', 'other');
      const both = await Promise.all([joinWith(String(made['token'])), joinWith(String(made['token']))]);
      assert.deepEqual(new Set(both.map(({ status }) => status)), new Set([200, 403]));
    });

    test('it is printed as the environment of the process, and never logged', async () => {
      const { stdout } = await cordon('agent', 'token', 'other', '--ttl', '1m');
      assert.match(
        stdout,
        /^CORDON_JOIN_TOKEN=[\w-]{43}\nCORDON_IDENTITY_URL=https:\/\/127\.0\.0\.1:\d+\nCORDON_BUNDLE='-----BEGIN CERTIFICATE-----/,
      );
      const token = /TOKEN=(.*)/.exec(stdout)?.[1] ?? '';
      assert.ok(!readFileSync(join(bed.data, 'cordon.db')).includes(token));
    });

    test('none is made for nobody, or for longer than a day', async () => {
      assert.match((await cordon('agent', 'token', 'nobody')).stderr, /CORDON-1014/);
      assert.match((await cordon('agent', 'token', 'other', '--ttl', '2d')).stderr, /ttl/);
    });
  });
});
