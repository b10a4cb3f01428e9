// Keys replaced while what they signed lives: by moving the clock, and by ending the process between any two writes.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose';
import { bundleOf, openAuthority, type AuthorityKeeper, type KeyUse, type RotationStep } from '../src/control/keys.ts';
import { createIssuer, type Issuer } from '../src/control/issuer.ts';
import { randomKey, randomSerial } from '../src/crypto/random.ts';
import { sealer } from '../src/crypto/seal.ts';
import { createRequest, generateKeyPem } from '../src/crypto/x509.ts';
import { subjectKey, type SubjectKey } from '../src/crypto/x509-leaf.ts';
import type { LogRecord } from '../src/domain/access.ts';
import { parseTrustDomain, workloadId } from '../src/domain/spiffe-id.ts';
import { issueSvid, LONGEST_SVID } from '../src/identity/issue.ts';
import { issueJwtSvid, LONGEST_JWT_SVID } from '../src/identity/jwt-svid-issue.ts';
import { readSvid } from '../src/identity/svid.ts';
import type { Sealed, Store } from '../src/store/ports.ts';
import { openSqliteStore } from '../src/store/sqlite.ts';

const START = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const TTL = 15 * MINUTE;
const trustDomain = parseTrustDomain('desk.example');
const id = workloadId(trustDomain, 'agent', 'clerk', 'R1');
const box = sealer(randomKey());

let store: Store;
let now: number;
let acts: { readonly act: string; readonly target: string; readonly actor: string }[];
let publicKey: SubjectKey;

const log = {
  append(record: LogRecord) {
    if (record.schema === 'cordon.act/v1') acts.push({ act: record.act, target: record.target, actor: record.actor });
    return { log: '', seq: acts.length, leafHash: '' };
  },
};
const open = (on: Sealed = store): Promise<AuthorityKeeper> =>
  openAuthority(on, box, { trustDomain, now: () => now, serial: randomSerial, svidTtl: TTL, log });

beforeEach(async () => {
  store = await openSqliteStore(':memory:');
  now = START;
  acts = [];
  publicKey = subjectKey((await generateKeyPem()).publicKey);
});
afterEach(() => store.close());

/** An SVID and until when it lives. */
interface Made {
  readonly chain: string;
  readonly notAfter: number;
}

const issue = async (keeper: AuthorityKeeper, ttl = TTL): Promise<Made> =>
  issueSvid(await keeper.fresh(), { id, publicKey, now, ttl, serial: randomSerial() });

/** As a relying party that knows no more than the roots: leaf, intermediate, root, each valid now. */
function verifies({ chain }: Made, roots: readonly string[]): boolean {
  const [leaf, intermediate] = chain.split(/(?<=-----END CERTIFICATE-----\n)/).map((pem) => new X509Certificate(pem));
  if (leaf === undefined || intermediate === undefined) return false;
  const valid = (each: X509Certificate): boolean => each.validFromDate.getTime() <= now && now < each.validToDate.getTime();
  const signedBy = (child: X509Certificate, parent: X509Certificate): boolean =>
    child.checkIssued(parent) && child.verify(parent.publicKey);
  const root = roots.map((pem) => new X509Certificate(pem)).find((each) => signedBy(intermediate, each));
  return (
    root !== undefined &&
    signedBy(leaf, intermediate) &&
    [leaf, intermediate, root].every(valid) &&
    readSvid(leaf, trustDomain).workload.id === id
  );
}

const stages = (keeper: AuthorityKeeper, use: KeyUse): readonly string[] =>
  keeper
    .keys()
    .filter((key) => key.use === use)
    .map(({ stage }) => stage);
const rotate = async (keeper: AuthorityKeeper, step: RotationStep, use: KeyUse = 'root'): Promise<string> =>
  (await keeper.rotate(step, use, 'ada')).status;

describe('a root is replaced', () => {
  test('in three steps, each when it cuts nobody off; every SVID verifies with the bundle as it is, and as it was half a life ago', async () => {
    const keeper = await open();
    const sequences = [keeper.sequence()];
    const svids: Made[] = [];
    /** What relying parties that renew at half life still hold. */
    let lastBundle = keeper.roots();
    const live = async (minutes: number): Promise<void> => {
      for (let passed = 0; passed < minutes; passed += 7) {
        svids.push(await issue(keeper));
        for (const svid of svids.filter(({ notAfter }) => notAfter > now)) {
          assert.ok(verifies(svid, keeper.roots()), 'with the bundle of now');
          assert.ok(verifies(svid, lastBundle), 'with the bundle of 7 minutes ago');
        }
        lastBundle = keeper.roots();
        now += 7 * MINUTE;
      }
    };
    await live(30);
    assert.equal(await rotate(keeper, 'activate'), 'unchanged');
    assert.equal(await rotate(keeper, 'retire'), 'unchanged');
    assert.equal(await rotate(keeper, 'prepare'), 'done');
    assert.equal(await rotate(keeper, 'prepare'), 'unchanged');
    assert.deepEqual(stages(keeper, 'root'), ['active', 'prepared']);
    sequences.push(keeper.sequence());
    const early = await keeper.rotate('activate', 'root', 'ada');
    assert.deepEqual([early.status, early.from], ['too_early', now + TTL]);
    await live(20);
    assert.equal(await rotate(keeper, 'activate'), 'done');
    assert.equal(await rotate(keeper, 'activate'), 'unchanged');
    assert.deepEqual(
      [stages(keeper, 'root'), stages(keeper, 'intermediate')],
      [
        ['old', 'active'],
        ['old', 'active'],
      ],
    );
    sequences.push(keeper.sequence());
    const ofNewRoot = await issue(keeper);
    assert.ok(verifies(ofNewRoot, keeper.roots().slice(1)) && !verifies(ofNewRoot, keeper.roots().slice(0, 1)));
    assert.equal(await rotate(keeper, 'retire'), 'too_early');
    await live(30);
    now += LONGEST_SVID;
    assert.equal(await rotate(keeper, 'retire'), 'done');
    assert.equal(await rotate(keeper, 'retire'), 'unchanged');
    assert.deepEqual(stages(keeper, 'root'), ['active']);
    sequences.push(keeper.sequence());
    lastBundle = keeper.roots();
    await live(30);
    assert.deepEqual(
      sequences.toSorted((a, b) => a - b),
      sequences,
    );
    assert.equal(new Set(sequences).size, sequences.length);
    const byAda = acts.filter(({ actor }) => actor === 'ada').map(({ act, target }) => `${act} ${target}`);
    assert.deepEqual(byAda, ['ca.prepare root', 'ca.activate intermediate', 'ca.activate root', 'ca.retire root']);
  });

  test('the key of a root that signs no more is gone, and so is that of an intermediate', async () => {
    const keeper = await open();
    await rotate(keeper, 'prepare');
    now += HOUR;
    await rotate(keeper, 'activate');
    for (const name of ['ca/root', 'ca/intermediate']) {
      const sealed = await store.getSealed(name);
      const text = Buffer.from(box.open(name, sealed ?? new Uint8Array())).toString('utf8');
      const { keys } = JSON.parse(text) as { keys: { stage: string; privateKey?: string }[] };
      assert.deepEqual(
        keys.map(({ stage, privateKey }) => [stage, privateKey !== undefined]),
        [
          ['old', false],
          ['active', true],
        ],
      );
    }
  });

  test('a key in the wrong hands is replaced at once, whoever is cut off: what it signed verifies no more', async () => {
    const keeper = await open();
    const stolen = await issue(keeper);
    for (const step of ['prepare', 'activate', 'retire'] as const)
      assert.equal((await keeper.rotate(step, 'root', 'ada', true)).status, 'done');
    assert.ok(!verifies(stolen, keeper.roots()) && verifies(await issue(keeper), keeper.roots()));
    assert.equal((await keeper.rotate('retire', 'root', 'ada', true)).status, 'unchanged');
  });

  test('a process that ends before any of its writes leaves an authority that goes on, and the step can be repeated', async () => {
    const steps = async (keeper: AuthorityKeeper): Promise<void> => {
      await rotate(keeper, 'prepare');
      now += HOUR;
      await rotate(keeper, 'activate');
      await rotate(keeper, 'prepare', 'intermediate');
      await rotate(keeper, 'activate', 'intermediate');
      now += 2 * DAY;
      await rotate(keeper, 'retire');
      await rotate(keeper, 'retire', 'intermediate');
    };
    let writes = 0;
    const counting = dying(store, () => (writes++, false));
    await steps(await open(counting));
    assert.ok(writes > 12, `${writes} writes`);
    for (let death = 0; death < writes; death++) {
      await store.close();
      store = await openSqliteStore(':memory:');
      now = START;
      let left = death;
      const fragile = dying(store, () => left-- <= 0);
      let last: Made | undefined;
      const live = async (): Promise<void> => {
        const keeper = await open(fragile);
        last = await issue(keeper);
        await steps(keeper);
      };
      await assert.rejects(live(), { message: 'the process has ended' });
      const reopened = await open();
      const svid = await issue(reopened);
      assert.ok(verifies(svid, reopened.roots()), `after ${death} writes`);
      if (last !== undefined && last.notAfter > now)
        assert.ok(verifies(last, reopened.roots()), `what was issued before, after ${death} writes`);
      await steps(reopened);
      assert.ok(verifies(await issue(reopened), reopened.roots()));
      assert.deepEqual(
        [stages(reopened, 'root'), stages(reopened, 'intermediate').at(-1)],
        [['active'], 'active'],
        `after ${death} writes`,
      );
    }
  });
});

/** A store whose writes do not come through any more once `dies` says so. */
const dying = (on: Sealed, dies: () => boolean): Sealed => ({
  getSealed: (name) => on.getSealed(name),
  putSealed: (name, sealed) => (dies() ? Promise.reject(new Error('the process has ended')) : on.putSealed(name, sealed)),
});

describe('by itself, as time passes', () => {
  test('a year, minute by minute and by leaps: one intermediate after another, and every SVID verifies', async () => {
    const keeper = await open();
    const [root] = keeper.roots();
    const intermediates = new Set<string>();
    let previous: Made | undefined;
    for (let day = 0; day < 365; day++) {
      now = START + day * DAY;
      await keeper.tend();
      const svid = await issue(keeper);
      assert.ok(verifies(svid, keeper.roots()));
      now += 14 * MINUTE;
      const next = await issue(keeper);
      assert.ok(verifies(svid, keeper.roots()) && verifies(next, keeper.roots()));
      intermediates.add(keeper.current().signer.certificate);
      previous = next;
    }
    assert.ok(previous !== undefined);
    assert.deepEqual([intermediates.size, keeper.roots()], [9, [root]]);
    assert.ok(keeper.keys().length < 12, 'what is dead is dropped');
  });

  test('a key of tokens is published before it signs and until its tokens are dead', async () => {
    const keeper = await open();
    const tokens: { readonly token: string; readonly expiresAt: number }[] = [];
    const kids = new Set<string>();
    /** What somebody knows who asked for the keys up to 5 minutes ago. */
    let known = keeper.jwt.jwks();
    for (now = START; now < START + 70 * DAY; now += 5 * MINUTE) {
      await keeper.tend();
      const { kid } = keeper.jwt.current();
      assert.ok(JSON.stringify(known).includes(kid), 'whoever asked 5 minutes ago knows the key that signs');
      kids.add(kid);
      if ((now - START) % HOUR < 5 * MINUTE) tokens.push(issueJwtSvid(keeper.jwt, { id, audience: ['api'], now, ttl: LONGEST_JWT_SVID }));
      known = keeper.jwt.jwks();
    }
    assert.equal(kids.size, 3);
    const last = tokens.at(-1);
    const set = createLocalJWKSet(known as unknown as JSONWebKeySet);
    await jwtVerify(last?.token ?? '', set, {
      audience: 'api',
      subject: id,
      currentDate: new Date(now - HOUR),
      typ: 'JWT',
      clockTolerance: 3600,
    });
    await assert.rejects(jwtVerify(tokens[0]?.token ?? '', set, { currentDate: new Date(START) }), /no applicable key/);
    assert.ok(keeper.jwt.keys().size <= 2 && keeper.sts.keys().size <= 2);
  });

  test('listeners are told of each change, and not when they have left', async () => {
    const keeper = await open();
    const told: KeyUse[] = [];
    const leave = keeper.onChange((use) => told.push(use));
    now += 46 * DAY;
    const [one, other] = await Promise.all([keeper.fresh(), keeper.fresh()]);
    assert.equal(one, other);
    assert.deepEqual([...new Set(told)].toSorted(), ['intermediate', 'jwt', 'sts']);
    leave();
    told.length = 0;
    await rotate(keeper, 'prepare');
    assert.deepEqual(told, []);
  });
});

describe('what must not be', () => {
  test('a root that is missing is not made anew while anything else of the authority is there', async () => {
    await open();
    const without = (gone: string): Sealed => ({
      ...store,
      getSealed: (name) => (name === gone ? Promise.resolve(void 0) : store.getSealed(name)),
    });
    await assert.rejects(open(without('ca/root')), { code: 'CORDON-9006', message: 'the root of the trust domain is missing' });
    await open(without('ca/intermediate'));
  });

  test('another seal key, a changed row, a row under another name, another trust domain', async () => {
    await open();
    const refused = async (changed: Partial<Parameters<typeof openAuthority>[2]>, by = box, on: Sealed = store): Promise<void> => {
      const options = { trustDomain, now: () => now, serial: randomSerial, svidTtl: TTL, log, ...changed };
      await assert.rejects(
        openAuthority(on, by, options),
        (error: Error & { code: string; fix: string }) => error.code === 'CORDON-9006' && error.fix !== '',
      );
    };
    const before = acts.length;
    await refused({}, sealer(randomKey()));
    await refused({ trustDomain: parseTrustDomain('other.example') });
    await refused({}, box, { ...store, getSealed: (name) => store.getSealed(name === 'ca/root' ? 'ca/intermediate' : name) });
    for (const name of ['ca/root', 'ca/intermediate', 'ca/jwt', 'ca/sts']) {
      const sealed = Uint8Array.from((await store.getSealed(name)) ?? []);
      sealed[sealed.length - 20] = (sealed.at(-20) ?? 0) ^ 1;
      await refused({}, box, { ...store, getSealed: (asked) => (asked === name ? Promise.resolve(sealed) : store.getSealed(asked)) });
    }
    assert.equal(acts.length, before, 'nothing was made');
  });

  test('the clock is before the root was made, or after its end: nothing is signed, and what to do is said', async () => {
    const keeper = await open();
    const { signer } = keeper.current();
    now = START - 10 * MINUTE;
    await assert.rejects(keeper.fresh(), { code: 'CORDON-9009' });
    await assert.rejects(open(), { code: 'CORDON-9009' });
    now = START + 3649 * DAY;
    const late = await keeper.fresh();
    assert.notEqual(late.signer.certificate, signer.certificate);
    assert.equal(late.signer.notAfter, START + 3650 * DAY);
    now = START + 3651 * DAY;
    await assert.rejects(keeper.fresh(), { code: 'CORDON-9006', message: 'the root of the trust domain has expired' });
    assert.equal(await rotate(keeper, 'prepare'), 'done');
    now += HOUR;
    assert.equal(await rotate(keeper, 'activate'), 'done');
    assert.ok(verifies(await issue(keeper), keeper.roots()));
  });

  test('the clock goes ten minutes on and back: what was issued on the way is what verifies, and nothing lives longer', async () => {
    const keeper = await open();
    now += DAY;
    const first = await issue(keeper);
    now += 10 * MINUTE;
    const ahead = await issue(keeper);
    assert.ok(verifies(first, keeper.roots()) && verifies(ahead, keeper.roots()));
    now -= 20 * MINUTE;
    const behind = await issue(keeper);
    assert.ok(verifies(behind, keeper.roots()));
    assert.ok(!verifies(ahead, keeper.roots()), 'not yet valid');
    assert.ok(behind.notAfter <= now + TTL);
    assert.deepEqual(stages(keeper, 'intermediate'), ['active'], 'no key was replaced for it');
  });
});

describe('JWT-SVIDs', () => {
  test('[SPIFFE-JWT-SVID] sub, aud, exp, iat, kid and typ, verified by jose with the published keys; minutes to live', async () => {
    const keeper = await open();
    const { token, expiresAt } = issueJwtSvid(keeper.jwt, { id, audience: ['https://api.example', 'b'], now, ttl: DAY });
    const set = createLocalJWKSet(keeper.jwt.jwks() as unknown as JSONWebKeySet);
    const { payload, protectedHeader } = await jwtVerify(token, set, {
      audience: 'b',
      currentDate: new Date(now),
      typ: 'JWT',
      algorithms: ['ES256'],
    });
    assert.deepEqual(protectedHeader, { alg: 'ES256', kid: keeper.jwt.current().kid, typ: 'JWT' });
    const iat = now / 1000;
    assert.deepEqual({ ...payload }, { sub: id, aud: ['https://api.example', 'b'], iat, exp: iat + 300 });
    assert.equal(expiresAt, now + LONGEST_JWT_SVID);
  });

  test('nobody, an empty name or too many as its audience: refused', async () => {
    const keeper = await open();
    for (const audience of [[], [''], ['x'.repeat(2049)], Array.from({ length: 17 }, (_, n) => String(n)), ['\ud800']]) {
      assert.throws(() => issueJwtSvid(keeper.jwt, { id, audience, now, ttl: MINUTE }), { code: 'CORDON-9011' });
    }
  });

  test('the bundle is what a relying party needs: roots, keys, a sequence that grows with either', async () => {
    const keeper = await open();
    const before = bundleOf(keeper);
    assert.deepEqual([before.trustDomain, before.roots.length, before.jwtKeys.length, before.refreshHint], [trustDomain, 1, 1, 300]);
    await rotate(keeper, 'prepare', 'jwt');
    await rotate(keeper, 'prepare', 'sts');
    await rotate(keeper, 'prepare', 'root');
    const after = bundleOf(keeper);
    assert.deepEqual([after.roots.length, after.jwtKeys.length, after.sequence], [2, 2, before.sequence + 2]);
    assert.deepEqual(Object.keys(after.jwtKeys[0] ?? {}).toSorted(), ['crv', 'kid', 'kty', 'x', 'y']);
  });
});

describe('what one run may have signed', () => {
  async function issuerOf(keeper: AuthorityKeeper): Promise<Issuer> {
    const parts = { isRegistered: () => true, mayHave: () => undefined, onIssued: () => undefined };
    return createIssuer({ authority: keeper, store, log, now: () => now, ttl: TTL, ...parts });
  }

  test('[I10] a run that asks again and again is limited, and no other run for it', async () => {
    const issuer = await issuerOf(await open());
    const request = await createRequest(await generateKeyPem());
    const join = async (name: string) => {
      const { token } = await issuer.startRun('agent', name, 'ada');
      return issuer.join(token, request);
    };
    const svid = await join('clerk');
    const peer = readSvid(svid.chain, trustDomain);
    for (let n = 1; n < 10; n++) await issuer.renew(peer, request);
    await assert.rejects(issuer.renew(peer, request), { code: 'CORDON-4003' });
    await join('clerk');
    now += 2000;
    await issuer.renew(peer, request);
    await assert.rejects(issuer.renew(peer, request), { code: 'CORDON-4003' });
  });

  test('[I10] an agent whose runs ask all at once is limited, and no other agent for it', async () => {
    const issuer = await issuerOf(await open());
    const request = await createRequest(await generateKeyPem());
    const join = async (name: string) => issuer.join((await issuer.startRun('agent', name, 'ada')).token, request);
    for (let n = 0; n < 500; n++) await join('clerk');
    await assert.rejects(join('clerk'), { code: 'CORDON-4003' });
    await join('courier');
  });
});
