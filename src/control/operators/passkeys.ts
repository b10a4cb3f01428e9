// Passkeys (WebAuthn Level 3) of operators: made once by a one-time link, and shown at every sign-in after that. The user is verified by
// the authenticator (PIN, fingerprint), so a stolen key alone is not enough.
import {
  generateAuthenticationOptions,
  generateRegistrationOptions,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server';
import * as z from 'zod';
import { sha256Hex } from '../../crypto/hash.ts';
import { randomSecret } from '../../crypto/random.ts';
import { Refusal } from '../../domain/refusal.ts';
import type { Store } from '../../store/ports.ts';
import { inputOf } from '../input.ts';
import { recordAct, type ActLog } from '../acts.ts';

/** Milliseconds that a one-time link is good for, and that a person has before the browser. */
export const INVITE_TTL = 24 * 3_600_000;
const CEREMONY_TTL = 5 * 60_000;
const MOST = 500;

export interface PasskeyParts extends ActLog {
  /** Of the pages: `http://localhost:7070`. */
  readonly origin: URL;
  readonly store: Pick<Store, 'addPasskey' | 'passkey' | 'usePasskey' | 'addInvite' | 'invite' | 'takeInvite'>;
}

export interface Passkeys {
  /** A one-time link for an operator. @returns the secret in it */
  invite(operator: string, actor: string): Promise<{ readonly secret: string; readonly expiresAt: number }>;
  /** What the browser is asked to make, and for whom. @throws Refusal CORDON-1005 */
  enrolment(secret: string): Promise<{ readonly operator: string; readonly options: object }>;
  /** Takes the link and keeps the passkey. @returns whose it is. @throws Refusal CORDON-1005, -1013 */
  enrol(secret: string, response: unknown): Promise<string>;
  /** What the browser is asked to sign for this sign-in. */
  challenge(login: string): Promise<object>;
  /** @returns who signed. @throws Refusal CORDON-1005, -1013 */
  verify(login: string, response: unknown): Promise<string>;
}

const base64url = z.string().regex(/^[\w-]{1,32768}$/);
const common = {
  id: base64url.max(1400),
  rawId: base64url.max(1400),
  type: z.literal('public-key'),
  clientExtensionResults: z.object({}).loose(),
};
const attachment = z.enum(['platform', 'cross-platform']).exactOptional();
const registration = z.object({
  ...common,
  authenticatorAttachment: attachment,
  response: z.object({ clientDataJSON: base64url, attestationObject: base64url }),
});
const assertion = z.object({
  ...common,
  authenticatorAttachment: attachment,
  response: z.object({
    clientDataJSON: base64url,
    authenticatorData: base64url,
    signature: base64url,
    userHandle: base64url.exactOptional(),
  }),
});

export const createPasskeys = (parts: PasskeyParts): Passkeys => new StoredPasskeys(parts);

class StoredPasskeys implements Passkeys {
  readonly #parts: PasskeyParts;
  /** What each ceremony was asked to sign; each is answered once. */
  readonly #challenges = new Map<string, { readonly challenge: string; readonly until: number }>();

  constructor(parts: PasskeyParts) {
    this.#parts = parts;
  }

  async invite(operator: string, actor: string): Promise<{ readonly secret: string; readonly expiresAt: number }> {
    const { store, now } = this.#parts;
    const secret = randomSecret();
    const expiresAt = now() + INVITE_TTL;
    this.#act(actor, 'operator.invite', operator);
    await store.addInvite({ secretHash: sha256Hex(secret), operator, expiresAt });
    return { secret, expiresAt };
  }

  async enrolment(secret: string): Promise<{ readonly operator: string; readonly options: object }> {
    const { store, now, origin } = this.#parts;
    const invite = await store.invite(sha256Hex(secret), now());
    if (invite === undefined) throw unknownLink();
    const { operator } = invite;
    const options = await generateRegistrationOptions({
      rpName: 'Cordon',
      rpID: origin.hostname,
      userName: operator,
      userDisplayName: operator,
      attestationType: 'none',
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    });
    this.#ask(`enrol/${sha256Hex(secret)}`, options.challenge);
    return { operator, options };
  }

  async enrol(secret: string, given: unknown): Promise<string> {
    const { store, now, origin } = this.#parts;
    const hash = sha256Hex(secret);
    const response = inputOf(registration, given);
    const expected = { expectedChallenge: this.#answered(`enrol/${hash}`), expectedOrigin: origin.origin, expectedRPID: origin.hostname };
    const made = await proven(() => verifyRegistrationResponse({ response, ...expected, requireUserVerification: true }));
    if (!made.verified) throw refused();
    const invite = await store.takeInvite(hash, now());
    if (invite === undefined) throw unknownLink();
    const { operator } = invite;
    const { id, publicKey, counter } = made.registrationInfo.credential;
    this.#act(`operator/${operator}`, 'operator.enrol', operator);
    await store.addPasskey({ id, operator, publicKey: new Uint8Array(publicKey), counter, createdAt: now() });
    return operator;
  }

  async challenge(login: string): Promise<object> {
    const options = await generateAuthenticationOptions({ rpID: this.#parts.origin.hostname, userVerification: 'required' });
    this.#ask(`login/${login}`, options.challenge);
    return options;
  }

  async verify(login: string, given: unknown): Promise<string> {
    const { store, origin } = this.#parts;
    const response = inputOf(assertion, given);
    const expectedChallenge = this.#answered(`login/${login}`);
    const known = await store.passkey(response.id);
    if (known === undefined) throw refused();
    const { id, publicKey, counter, operator } = known;
    const credential = { id, publicKey: new Uint8Array(publicKey), counter };
    const expected = { expectedChallenge, expectedOrigin: origin.origin, expectedRPID: origin.hostname, credential };
    const shown = await proven(() => verifyAuthenticationResponse({ response, ...expected, requireUserVerification: true }));
    if (!shown.verified || !(await store.usePasskey(id, shown.authenticationInfo.newCounter))) throw refused();
    return operator;
  }

  #ask(ceremony: string, challenge: string): void {
    const now = this.#parts.now();
    for (const [name, { until }] of this.#challenges) if (until <= now) this.#challenges.delete(name);
    if (this.#challenges.size >= MOST) throw new Refusal('CORDON-4003', 'too many sign-ins are under way');
    this.#challenges.set(ceremony, { challenge, until: now + CEREMONY_TTL });
  }

  /** A challenge is answered once, right or wrong. */
  #answered(ceremony: string): string {
    const asked = this.#challenges.get(ceremony);
    this.#challenges.delete(ceremony);
    if (asked !== undefined && asked.until > this.#parts.now()) return asked.challenge;
    throw new Refusal('CORDON-1005', 'nothing was asked, or too long ago', { fix: 'load the page again' });
  }

  #act(actor: string, act: string, target: string): void {
    recordAct(this.#parts, { actor, act, target });
  }
}

const unknownLink = (): Refusal =>
  new Refusal('CORDON-1005', 'the link is unknown, used or expired', { fix: 'ask an admin for another: `cordon operator invite NAME`' });
const refused = (): Refusal =>
  new Refusal('CORDON-1013', 'the passkey is not known here, or did not sign what was asked', {
    fix: 'use the passkey that was made with your one-time link',
  });

/** What the library throws says what was wrong with an input that an attacker may have made: the same no for all of it. */
async function proven<T>(verify: () => Promise<T>): Promise<T> {
  try {
    return await verify();
  } catch (cause) {
    throw new Refusal('CORDON-1013', refused().message, { cause });
  }
}
