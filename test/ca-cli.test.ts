// `cordon ca` against a running Cordon.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, test } from 'node:test';
import { openDesk, type Desk } from './support/cordon.ts';

let desk: Desk;

before(async () => {
  desk = await openDesk();
  await desk.up();
});
after(() => desk.close());

interface Key {
  readonly use: string;
  readonly stage: string;
  readonly id: string;
}
const keys = async (): Promise<readonly string[]> => {
  const { stdout } = await desk.cordon('ca', 'status', '--json');
  const json = JSON.parse(stdout) as { schema: string; keys: readonly Key[] };
  assert.equal(json.schema, 'cordon.ca/v1');
  return json.keys.map(({ use, stage }) => `${use} ${stage}`);
};

test('`cordon ca status` draws what is left of each key, and says what comes next', async () => {
  const { code, stdout, stderr } = await desk.cordon('ca', 'status');
  assert.equal(code, 0, stderr);
  const lines = stdout.trimEnd().split('\n');
  assert.match(lines[0] ?? '', /^keys of desk\.example$/);
  assert.match(lines[1] ?? '', /^ {2}root {10}active {2}[0-9a-f]{12} {2}#{20} {2}36(?:49|50) d left, until \d{4}-\d\d-\d\d$/);
  assert.match(lines[2] ?? '', /^ {2}intermediate {2}active {2}[0-9a-f]{12} {2}#{20} {2}(?:89|90) d left/);
  assert.match(lines[3] ?? '', /^ {2}jwt {11}active {2}[0-9A-Z]{12} +.* old$/);
  assert.match(lines[4] ?? '', /^ {2}sts {11}active/);
  assert.equal(lines.length, 5);
});

test('[U9] a rotation step by step: what is too early, there already or not there is exit 8, with the moment', async () => {
  const nothing = await desk.cordon('ca', 'rotate', 'activate', '--root');
  assert.deepEqual([nothing.code, /root: none is prepared/.test(nothing.stderr)], [8, true], nothing.stderr);
  const prepared = await desk.cordon('ca', 'rotate', 'prepare', '--root');
  assert.equal(prepared.code, 0, prepared.stderr);
  assert.match(prepared.stdout, /^v root prepared\n[^]*root +prepared +[0-9a-f]{12} .* activate in 1[45] m$/m);
  const again = await desk.cordon('ca', 'rotate', 'prepare', '--root');
  assert.equal((await desk.cordon('ca', 'rotate', 'prepare')).code, 2, 'no key is meant unless it is named');
  assert.deepEqual([again.code, /root: one is prepared already/.test(again.stderr)], [8, true], again.stderr);
  const early = await desk.cordon('ca', 'rotate', 'activate', '--root');
  assert.equal(early.code, 8, early.stderr);
  assert.match(early.stderr, /root: too early to activate[^]*after \d{4}-[^]*in 1[45] m[^]*not everybody has heard/);
  assert.deepEqual(await keys(), ['root active', 'root prepared', 'intermediate active', 'jwt active', 'sts active']);
  assert.equal((await desk.cordon('status')).code, 0, 'the operator goes on');
});

test('an intermediate is replaced at once, and nobody notices', async () => {
  assert.equal((await desk.cordon('ca', 'rotate', 'prepare', '--intermediate')).code, 0);
  const { code, stdout } = await desk.cordon('ca', 'rotate', 'activate', '--intermediate', '--json');
  assert.equal(code, 0);
  const { status, keys: now } = JSON.parse(stdout) as { status: string; keys: readonly Key[] };
  assert.equal(status, 'done');
  assert.deepEqual(
    now.filter(({ use }) => use === 'intermediate').map(({ stage }) => stage),
    ['old', 'active'],
  );
  const doctor = await desk.cordon('doctor');
  assert.match(doctor.stdout, /v {2}.*intermediate/);
  assert.equal((await desk.cordon('ca', 'rotate', 'retire', '--intermediate')).code, 8);
});

test('`cordon ca root` prints what others need to verify an SVID', async () => {
  const { code, stdout } = await desk.cordon('ca', 'root');
  assert.equal(code, 0);
  const certificates = stdout.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  assert.deepEqual(
    certificates.map((pem) => new X509Certificate(pem).subjectAltName),
    ['URI:spiffe://desk.example', 'URI:spiffe://desk.example'],
  );
});

test('two keys at once, and a step that is none, are bad usage', async () => {
  assert.equal((await desk.cordon('ca', 'rotate', 'prepare', '--root', '--jwt')).code, 2);
  assert.equal((await desk.cordon('ca', 'rotate', 'undo')).code, 2);
});
