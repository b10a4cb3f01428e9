// Who calls through another data plane: the certificate that it hands over, verified as if the handshake had been ours, and every certificate
// that a careless or lying client could get through it.
import assert from 'node:assert/strict';
import { before, beforeEach, describe, test } from 'node:test';
import { dersOf } from '../src/crypto/der.ts';
import { randomSerial } from '../src/crypto/random.ts';
import { generateKeyPem, type KeyPem } from '../src/crypto/x509.ts';
import { subjectKey } from '../src/crypto/x509-leaf.ts';
import { parseSpiffeId, parseTrustDomain, workloadId } from '../src/domain/spiffe-id.ts';
import { authorityOf, createIntermediate, createRoot, type SigningCertificate } from '../src/identity/authority.ts';
import { issueSvid } from '../src/identity/issue.ts';
import { createCallers, type Callers, type Shown, type Vouching } from '../src/gateway/external/callers.ts';
import { base64Der, escapedPem, plainDer } from '../src/gateway/external/shown.ts';
import type { Federated, Snapshot } from '../src/pdp/snapshot.ts';
import { forge } from './support/forge.ts';

const START = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;
const DESK = parseTrustDomain('desk.example');
const PARTNER = parseTrustDomain('partner.example');
const CLERK = workloadId(DESK, 'agent', 'clerk', 'R1');

let key: KeyPem;
let roots: { own: SigningCertificate; partner: SigningCertificate };
let signs: { own: SigningCertificate; partner: SigningCertificate };
let now: number;
let generation: number;
let vouched: { roots: string[]; intermediates: string[] };
let federated: Federated | undefined;
let callers: Callers;

before(async () => {
  key = await generateKeyPem();
  const make = async (trustDomain: typeof DESK): Promise<[SigningCertificate, SigningCertificate]> => {
    const options = { trustDomain, now: START, serial: randomSerial };
    const root = await createRoot(options);
    return [root, await createIntermediate(root, options)];
  };
  const [[own, ownSigns], [partner, partnerSigns]] = [await make(DESK), await make(PARTNER)];
  roots = { own, partner };
  signs = { own: ownSigns, partner: partnerSigns };
});

beforeEach(() => {
  now = START;
  generation = 0;
  federated = undefined;
  vouched = { roots: [roots.own.certificate], intermediates: [signs.own.certificate] };
  const vouching: Vouching = { generation: () => generation, roots: () => vouched.roots, intermediates: () => vouched.intermediates };
  const snapshot = (): Snapshot => ({ federated }) as unknown as Snapshot;
  callers = createCallers({ trustDomain: DESK, snapshot, now: () => now }, vouching);
});

/** Leaf and intermediate, PEM. */
const svid = (id = CLERK, from: 'own' | 'partner' = 'own'): string => {
  const trustDomain = from === 'own' ? DESK : PARTNER;
  const authority = authorityOf(trustDomain, [roots[from].certificate], signs[from]);
  return issueSvid(authority, { id, publicKey: subjectKey(key.publicKey), now: START, ttl: 15 * MINUTE, serial: randomSerial() }).chain;
};
const leafOf = (chain: string): string => chain.slice(0, chain.indexOf('-----END') + 26);
const shown = (pem: string): Shown | undefined => escapedPem(encodeURIComponent(pem));
const forged = (uri: string, issuer?: SigningCertificate): Promise<string> =>
  forge({ uri, key, notBefore: START - MINUTE, notAfter: START + 15 * MINUTE, ...(issuer === undefined ? {} : { issuer }) });

const refused = (one: Shown | undefined, code: string): void => assert.throws(() => callers.callerOf(one), { code });

void describe('a certificate that a data plane hands over', () => {
  void test('[SPIFFE-X509-SVID] is a run of an agent, in each of the forms, as a leaf or with its chain', () => {
    const chain = svid();
    const [leaf = new Uint8Array(), issuer = new Uint8Array()] = dersOf(chain);
    const forms = [
      shown(chain),
      shown(leafOf(chain)),
      base64Der(Buffer.from(leaf).toString('base64')),
      plainDer(leaf),
      plainDer(Buffer.concat([leaf, issuer])),
    ];
    for (const form of forms) {
      const { peer, leaf: proven } = callers.callerOf(form);
      assert.deepEqual([peer.agent, peer.run, peer.svid.workload.id], ['clerk', 'R1', CLERK]);
      assert.deepEqual(Buffer.from(proven), Buffer.from(leaf));
    }
  });

  void test('[I5] that is none is refused', () => {
    refused(undefined, 'CORDON-1001');
    refused(escapedPem(''), 'CORDON-1001');
    for (const text of ['x', '%', '%E0%A4', encodeURIComponent('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')]) {
      refused(escapedPem(text), 'CORDON-1006');
    }
    for (const text of ['x', 'AAAA', 'MAA', 'MA A=']) refused(base64Der(text), 'CORDON-1006');
    refused(plainDer(Uint8Array.of(0x30, 0x82, 0xff, 0xff)), 'CORDON-1006');
    refused(plainDer(new Uint8Array(100_000)), 'CORDON-1006');
    const [leaf = new Uint8Array()] = dersOf(svid());
    refused(plainDer(Buffer.concat([leaf, Uint8Array.of(0)])), 'CORDON-1006');
  });

  void test('[I5] that somebody made, in our name or in another, is refused', async () => {
    refused(shown(await forged(CLERK)), 'CORDON-1004');
    refused(shown(await forged(CLERK, signs.partner)), 'CORDON-1004');
    refused(shown(`${await forged(CLERK, signs.partner)}${signs.partner.certificate}`), 'CORDON-1004');
    refused(shown(svid(workloadId(PARTNER, 'agent', 'clerk', 'R1'), 'partner')), 'CORDON-1004');
    refused(shown(`${await forged(CLERK)}${signs.own.certificate}`), 'CORDON-1004');
  });

  void test('[SPIFFE-X509-SVID] that is no run of an agent is refused', async () => {
    refused(shown(svid(workloadId(DESK, 'resource', 'ledger', 'R2'))), 'CORDON-1014');
    refused(shown(svid(workloadId(DESK, 'agent', 'clerk'))), 'CORDON-1014');
    refused(shown(svid(workloadId(DESK, 'operator', 'root', 'R3'))), 'CORDON-1014');
    refused(shown(signs.own.certificate), 'CORDON-1006');
    refused(
      shown(
        await forge({
          uri: CLERK,
          names: [{ type: 'url', value: 'spiffe://desk.example/agent/boss' }],
          key,
          issuer: signs.own,
          notBefore: START,
          notAfter: START + MINUTE,
        }),
      ),
      'CORDON-1006',
    );
  });

  void test('[I5] dies with its lifetime, however often it was believed', () => {
    const one = shown(svid());
    callers.callerOf(one);
    now = START + 15 * MINUTE;
    refused(one, 'CORDON-1002');
    now = START - 10 * MINUTE;
    refused(one, 'CORDON-1002');
  });

  void test('[I6] is believed no more once its root is not, and still while its intermediate is an old one', async () => {
    const one = shown(leafOf(svid()));
    callers.callerOf(one);
    const next = await createIntermediate(roots.own, { trustDomain: DESK, now: START, serial: randomSerial });
    vouched.intermediates = [next.certificate, signs.own.certificate];
    generation++;
    callers.callerOf(one);
    vouched.roots = [roots.partner.certificate];
    generation++;
    refused(one, 'CORDON-1004');
  });

  void test('[SPIFFE-Federation] of another domain is the agent that is registered for it, while that domain is believed', () => {
    const id = workloadId(PARTNER, 'agent', 'buyer', 'R9');
    const one = shown(svid(id, 'partner'));
    const until = START + 5 * MINUTE;
    const domains = new Map([[PARTNER, { roots: [roots.partner.certificate], until }]]);
    federated = { domains, agents: new Map([[parseSpiffeId('spiffe://partner.example/agent/buyer'), 'outsider']]) };
    assert.deepEqual([callers.callerOf(one).peer.agent, callers.callerOf(one).peer.run], ['outsider', id]);
    federated = { domains, agents: new Map() };
    refused(one, 'CORDON-1012');
    now = until;
    refused(one, 'CORDON-1007');
    federated = undefined;
    refused(one, 'CORDON-1004');
  });
});
