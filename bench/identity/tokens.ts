// What a token costs beside the signatures in it: one to verify, when a token is exchanged for another, and one to make.
import { generateKeyPairSync, sign, verify } from 'node:crypto';
import { generateJwsKey, keysByKid } from '../../src/crypto/jws.ts';
import { readJwk } from '../../src/crypto/jwk.ts';
import { randomId } from '../../src/crypto/random.ts';
import { EVERYTHING, type Mandate, parseMandate } from '../../src/domain/mandate.ts';
import { parseTrustDomain, workloadId } from '../../src/domain/spiffe-id.ts';
import { exchange } from '../../src/sts/exchange.ts';
import type { ExchangeRequest } from '../../src/sts/request.ts';
import { DEFAULT_LIMITS, type TokenService } from '../../src/sts/service.ts';
import { readTaskToken } from '../../src/sts/task-token.ts';
import { measure } from '../loop.ts';
import type { BenchOptions, Report } from '../row.ts';
import { interleave, type Subject } from '../rounds.ts';

const MAX = 200_000;
/** About what of a token is signed. Bytes. */
const SIGNED_BYTES = 1_000;
const GATEWAY = 'https://gw.bench.example:8443';

/**
 * `first hop`: a user who was verified, for a token: one signature. `next hop`: an agent's token for that of the next, with a narrower
 * mandate: one to verify, one to make. `read`: what the gateway does with a token that it has not seen.
 */
export async function tokens({ quick }: BenchOptions): Promise<Report> {
  const service = tokenService();
  const trustDomain = service.trustDomain;
  const actor = (name: string): ExchangeRequest['actor'] => ({
    id: workloadId(trustDomain, 'agent', name, 'ABCDEFGHJKMN'),
    expiresAt: service.now + 900_000,
  });
  const user = { id: 'corp/alice', issuer: 'https://login.corp.example', sub: 'alice', groups: ['corp/finance'] };
  const subject = { kind: 'user', user, expiresAt: service.now + 900_000 } as const;
  const details = (location: string): Mandate =>
    parseMandate([{ type: 'cordon_task', actions: ['tools/call'], locations: [location], arguments: { amount_cents: { max: 100_000 } } }]);
  const first = { actor: actor('desk'), subject, details: details('tool:ledger/*') };
  const token = exchange(service, first).response.access_token;
  const next = { actor: actor('clerk'), subject: { kind: 'task', token } as const, details: details('tool:ledger/pay_invoice') };
  const expected = { issuer: service.issuer, isAudience: (audience: string) => audience === GATEWAY, now: service.now, skew: 30 };
  const raw = rawSignatures();
  const run = (name: string, operate: () => void, over?: string): Subject => ({
    name,
    ...(over === undefined ? {} : { over }),
    run: () => measure({ ms: quick ? 100 : 1000, max: MAX, operate }),
  });
  if (!quick) await run('warm', () => void exchange(service, next)).run();
  return interleave({
    bench: 'identity',
    case: 'task token',
    rounds: quick ? 2 : 7,
    subjects: [
      run('first hop', () => void exchange(service, first), 'sign'),
      run('sign', raw.sign),
      run('next hop', () => void exchange(service, next), 'verify + sign'),
      run('verify + sign', () => {
        raw.verify();
        raw.sign();
      }),
      run('read', () => void readTaskToken(token, service.keys, expected), 'verify'),
      run('verify', raw.verify),
    ],
    says: [
      {
        subject: 'first hop',
        figure: 'cpu_us',
        text: (ratio) => `a token for a user's costs ${ratio} the CPU of its one signature (wanted: at most 2.5)`,
      },
      {
        subject: 'next hop',
        figure: 'cpu_us',
        text: (ratio) => `a token for a token costs ${ratio} the CPU of its two signatures (wanted: at most 2.5)`,
      },
      { subject: 'read', figure: 'cpu_us', text: (ratio) => `a token read at the gateway costs ${ratio} the CPU of its one signature` },
    ],
  });
}

/** ECDSA P-256 with SHA-256 by node:crypto, keys kept, nothing else. */
function rawSignatures(): { readonly sign: () => void; readonly verify: () => void } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const bytes = Buffer.alloc(SIGNED_BYTES, 1);
  const made = sign('sha256', bytes, privateKey);
  return { sign: () => void sign('sha256', bytes, privateKey), verify: () => void verify('sha256', bytes, publicKey, made) };
}

function tokenService(): TokenService {
  const { signer } = generateJwsKey('bench');
  return {
    issuer: 'https://sts.bench.example',
    trustDomain: parseTrustDomain('bench.example'),
    signer,
    keys: keysByKid(new Map([['bench', readJwk(signer.jwk)]])),
    now: Date.now(),
    newId: () => randomId(26),
    newTask: () => randomId(26),
    limits: DEFAULT_LIMITS,
    mandate: EVERYTHING,
    scopes: new Set(),
    audience: GATEWAY,
    isResource: (audience) => audience === GATEWAY,
    mayDelegate: () => true,
    isRevoked: () => false,
    clientAt: () => undefined,
  };
}
