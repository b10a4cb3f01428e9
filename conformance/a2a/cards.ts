// Signed agent cards between Cordon and the official Python SDK (A2A 1.0 §8.4): each verifies what the other signs, and what the other's check
// lets through that ours does not.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readJwk } from '../../src/crypto/jwk.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import { verifyCard } from '../../src/identity/agent-card.ts';
import { type Bed, send } from '../../test/support/bed.ts';
import type { Score } from '../score.ts';
import { askCards } from './peers.ts';

const CARD: JsonObject = {
  name: 'reader',
  description: 'liest Belege, 漢字 too',
  version: '1.2.0',
  supportedInterfaces: [{ url: 'https://reader.example/a2a', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
  capabilities: { streaming: true, pushNotifications: false },
  securitySchemes: { mtls: { mtlsSecurityScheme: { description: 'a certificate' } } },
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['text/plain'],
  skills: [{ id: 'read', name: 'read', description: 'reads one', tags: ['invoices'] }],
};
const requires = (scheme: string, list: readonly string[]): JsonObject => ({ securityRequirements: [{ schemes: { [scheme]: { list } } }] });

const CASES: Readonly<Record<string, (bed: Bed) => Promise<void>>> = {
  async 'Python verifies the card that Cordon serves, and no other with its signature'(bed) {
    const { card, key } = await served(bed);
    const { securityRequirements: _open, ...open } = card;
    const { securitySchemes: _bare, ...bare } = card;
    const { signatures: _unsigned, ...unsigned } = card;
    const elsewhere = [{ url: 'https://evil.example/a2a', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }];
    const shown = [card, { ...card, supportedInterfaces: elsewhere }, { ...card, ...requires('other', ['agent']) }, open, bare, unsigned];
    const refused = Array.from({ length: shown.length - 2 }, () => 'InvalidSignaturesError');
    assert.deepEqual(await askCards({ key, cards: shown }), ['verified', ...refused, 'NoSignatureError']);
  },
  async 'Cordon verifies a card that Python has signed'() {
    const { card, keys } = await signedByPython({ ...CARD, ...requires('mtls', ['agent']) });
    verifyCard(card, keys);
    assert.throws(() => verifyCard({ ...card, description: 'another' }, keys), { code: 'CORDON-3016' });
  },
  async 'THE ATTACK: without its requirement, or with another, a card still verifies with Python, and not here'() {
    const { card, key, keys } = await signedByPython({ ...CARD, ...requires('mtls', []) });
    const evil = { ...card, ...requires('other', []) };
    const { securityRequirements: _gone, ...open } = card;
    assert.deepEqual(await askCards({ key, cards: [card, evil, open] }), ['verified', 'verified', 'verified']);
    for (const asks of [card, evil])
      assert.throws(() => verifyCard(asks, keys), { code: 'CORDON-3016' }, 'a requirement that no signature covers');
  },
};

export async function cards(bed: Bed): Promise<Score> {
  const notes: string[] = [];
  for (const [name, act] of Object.entries(CASES)) await act(bed).catch((error: unknown) => notes.push(`${name}: ${String(error)}`));
  return { passed: Object.keys(CASES).length - notes.length, failed: notes.length, notes };
}

/** The card of the callee as a caller gets it, and the key of the token service that has signed it. */
async function served(bed: Bed): Promise<{ readonly card: JsonObject; readonly key: JsonObject }> {
  const svid = await bed.svid('caller');
  const card = (await send({ port: bed.ports.gateway, svid, method: 'GET', path: '/a2a/callee/.well-known/agent-card.json' })).json;
  const published = (await send({ port: bed.ports.identity, path: '/oauth2/jwks', method: 'GET', svid: { ca: svid.ca } })).json;
  const [{ protected: head = '' } = {}] = (card['signatures'] ?? []) as { readonly protected?: string }[];
  const { kid } = JSON.parse(Buffer.from(head, 'base64url').toString()) as { readonly kid: string };
  const key = (published['keys'] as JsonObject[]).find((each) => each['kid'] === kid);
  assert.ok(key !== undefined, 'the key is published');
  return { card: card as JsonObject, key };
}

interface Signed {
  readonly card: JsonObject;
  readonly key: JsonObject;
  readonly keys: Parameters<typeof verifyCard>[1];
}

async function signedByPython(sign: JsonObject): Promise<Signed> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = { ...publicKey.export({ format: 'jwk' }), kid: 'vendor' } as JsonObject;
  const card = (await askCards({ key: { ...privateKey.export({ format: 'jwk' }), kid: 'vendor' }, sign })) as JsonObject;
  return { card, key, keys: new Map([['vendor', readJwk(key)]]) };
}
