// Signed agent cards (A2A 1.0 §8.4): every member is covered, keys are pinned, and the gap of the published SDK is shown and closed.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { AgentCard, generateAgentCardSignature, verifyAgentCardSignature } from '@a2a-js/sdk';
import * as jose from 'jose';
import { readJwk } from '../src/crypto/jwk.ts';
import { generateJwsKey } from '../src/crypto/jws.ts';
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../src/domain/json.ts';
import { canonicalCard, signCard, verifyCard } from '../src/identity/agent-card.ts';
import { openBed, send, type Answer, type Bed } from './support/bed.ts';

const CARD: JsonObject = {
  name: 'reader',
  description: 'reads invoices',
  version: '1.2.0',
  supportedInterfaces: [{ url: 'https://reader.example/a2a', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
  capabilities: { streaming: true, pushNotifications: false },
  securitySchemes: {
    login: { oauth2SecurityScheme: { flows: { clientCredentials: { tokenUrl: 'https://login.example/token', scopes: { a: 'b' } } } } },
    mtls: { mtlsSecurityScheme: { description: 'a certificate' } },
  },
  securityRequirements: [{ schemes: { login: { list: ['a'] } } }],
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['text/plain'],
  skills: [{ id: 'read', name: 'read', description: 'reads one', tags: ['invoices'], examples: ['read this'] }],
};

const { signer } = generateJwsKey('card-1');
const keys = new Map([['card-1', readJwk(signer.jwk)]]);
const refused = { code: 'CORDON-3016' };

/** Every place in a value, with the value changed there. */
function* changed(json: Json): Generator<Json> {
  if (isJsonArray(json)) {
    for (let at = 0; at < json.length; at++) {
      for (const inner of changed(json[at] ?? null)) yield json.with(at, inner);
      yield json.toSpliced(at, 1);
    }
    yield [...json, 'added'];
  } else if (isJsonObject(json)) {
    for (const [name, value] of Object.entries(json)) {
      for (const inner of changed(value)) yield { ...json, [name]: inner };
      const { [name]: _gone, ...rest } = json;
      yield rest;
    }
    yield { ...json, added: 'x' };
  } else if (typeof json === 'boolean') yield !json;
  else yield `${String(json)}x`;
}

describe('[A2A-1.0 §8.4] the signature of a card', () => {
  void test('covers every member: no change of any place in it goes unnoticed', () => {
    const { signatures, ...signed } = signCard(signer, CARD);
    verifyCard({ ...signed, signatures: signatures ?? null }, keys);
    let tried = 0;
    for (const other of changed(signed)) {
      if (!isJsonObject(other) || canonicalCard(other) === canonicalCard(signed)) continue;
      tried++;
      assert.throws(() => verifyCard({ ...other, signatures: signatures ?? null }, keys), refused, JSON.stringify(other));
    }
    assert.ok(tried > 60, String(tried));
  });

  void test('is that of the members, in whatever order they stand, and of no default that need not be there', () => {
    const { signatures = null } = signCard(signer, CARD);
    const turned = Object.fromEntries(Object.entries(CARD).toReversed());
    verifyCard({ ...turned, signatures }, keys);
    const [first] = isJsonArray(CARD['supportedInterfaces']) ? CARD['supportedInterfaces'] : [];
    verifyCard({ ...CARD, supportedInterfaces: [{ ...(isJsonObject(first) ? first : {}), tenant: '' }], signatures }, keys);
    const { capabilities: _gone, ...without } = CARD;
    assert.throws(() => verifyCard({ ...without, capabilities: {}, signatures }, keys), refused, 'a REQUIRED member is covered');
  });

  void test('THE ATTACK: members of a message by the name of a default elsewhere (a scheme called `list`, an extension with `required`)', () => {
    const capabilities = { extensions: [{ uri: 'urn:x', params: { required: false, tenant: '' } }] };
    const card = { ...CARD, capabilities, securityRequirements: [{ schemes: { list: {} } }] };
    const { signatures = null } = signCard(signer, card);
    verifyCard({ ...card, signatures }, keys);
    assert.throws(() => verifyCard({ ...card, securityRequirements: [{ schemes: {} }], signatures }, keys), refused);
    const bare = { extensions: [{ uri: 'urn:x', params: {} }] };
    assert.throws(() => verifyCard({ ...card, capabilities: bare, signatures }, keys), refused);
  });

  void test('THE ATTACK: claims of a token in the card of an agent are not signed by the key that signs tokens', () => {
    const claims = { iss: 'https://sts.example', sub: 'admin', aud: 'ledger', exp: 4_000_000_000, scope: 'all' };
    const signed = signCard(signer, { ...CARD, ...claims });
    assert.deepEqual(Object.keys(signed).toSorted(), [...Object.keys(CARD), 'signatures'].toSorted());
    verifyCard(signed, keys);
    assert.throws(() => verifyCard({ ...signed, ...claims }, keys), refused);
  });

  void test('the published SDK verifies it as it is received', async () => {
    const find = (kid: string): Promise<jose.CryptoKey> => {
      assert.equal(kid, 'card-1');
      return jose.importJWK(signer.jwk, 'ES256') as Promise<jose.CryptoKey>;
    };
    await verifyAgentCardSignature(find)(signCard(signer, CARD) as unknown as AgentCard);
  });

  void test('THE ATTACK: another token URL, or no mTLS, still verifies with the SDK (a2a-js#663), and not here', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const sign = generateAgentCardSignature(privateKey, { alg: 'ES256', kid: 'vendor', typ: 'JOSE' });
    const honest = AgentCard.toJSON(await sign(AgentCard.fromJSON(CARD))) as JsonObject;
    const pinned = new Map([['vendor', readJwk({ ...publicKey.export({ format: 'jwk' }) } as JsonObject)]]);
    const evil = {
      ...honest,
      securitySchemes: {
        login: { oauth2SecurityScheme: { flows: { clientCredentials: { tokenUrl: 'https://evil.example/token', scopes: {} } } } },
      },
    };
    const verify = verifyAgentCardSignature(() => Promise.resolve(publicKey));
    await verify(AgentCard.fromJSON(evil)); // resolves: that is the gap
    assert.throws(() => verifyCard(evil, pinned), refused);
    const { securitySchemes: _gone, ...without } = honest;
    await verify(AgentCard.fromJSON(without));
    // what the SDK signs of a decoded card covers a card without schemes, so that one is what it says it is
    assert.throws(() => verifyCard(honest, pinned), refused, 'schemes that no signature covers');
  });

  void test('keys are those that were pinned: not by name alone, not by jku, not by algorithm', () => {
    const other = generateJwsKey('card-1').signer;
    assert.throws(() => verifyCard(signCard(other, CARD), keys), refused, 'the same name');
    assert.throws(() => verifyCard(CARD, keys), refused, 'no signature');
    assert.throws(() => verifyCard({ ...CARD, signatures: [] }, keys), refused);
    const [{ signature = '' } = {}] = (signCard(signer, CARD)['signatures'] ?? []) as { signature?: string }[];
    const head = (header: object): string => Buffer.from(JSON.stringify(header)).toString('base64url');
    for (const header of [
      { alg: 'none', kid: 'card-1', typ: 'JOSE' },
      { alg: 'HS256', kid: 'card-1', typ: 'JOSE' },
      { alg: 'ES256', kid: 'card-1', typ: 'JWT' },
      { alg: 'ES256', kid: 'card-1', typ: 'JOSE', crit: ['b64'], b64: false },
      { alg: 'ES256', kid: 'other', typ: 'JOSE', jku: 'https://evil.example/jwks' },
    ])
      assert.throws(() => verifyCard({ ...CARD, signatures: [{ protected: head(header), signature }] }, keys), refused);
    const many = Array.from({ length: 17 }, () => ({ protected: 'x', signature: 'x' }));
    assert.throws(() => verifyCard({ ...CARD, signatures: many }, keys), refused, 'more than are looked at');
  });
});

describe('[A2A-1.0] the card of an agent behind the gateway', () => {
  let bed: Bed;
  before(async () => {
    const other = generateJwsKey('another').signer;
    bed = await openBed({
      tools: false,
      policies: `@id("cards") permit (principal, action == Action::"a2a/GetAgentCard", resource);`,
      configure: (yaml) => yaml.replace(/(callee: \{[^}]*)\}/, '$1, cardKeys: callee.jwks }'),
      beforeStart: (dir) => writeFile(join(dir, 'callee.jwks'), JSON.stringify({ keys: [{ ...other.jwk, use: 'sig' }] })),
    });
    await bed.spawnWorkload('agent', 'callee', 'test/support/callee.ts', [String(bed.ports.callee), bed.effects]);
  });
  after(() => (bed as Bed | undefined)?.close());

  void test('is refused when no pinned key signed it', async () => {
    const svid = await bed.svid('caller');
    const card: Answer = await send({ port: bed.ports.gateway, svid, method: 'GET', path: '/a2a/callee/.well-known/agent-card.json' });
    assert.deepEqual([card.status, card.json['code']], [502, 'CORDON-3016'], card.text);
  });
});
