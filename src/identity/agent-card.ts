// Signatures of A2A agent cards: detached JWS over the canonical JSON (RFC 8785) of the card as it was received. Standard: A2A 1.0 §8.4.
// INVARIANT: every member of a card that is believed is under its signature, `securitySchemes` too (a2aproject/a2a-js#663: the published
// SDK leaves them out, so that swapping a token URL still verifies there). Keys are those that were pinned; what a card says of where
// keys are (`jku`) is not looked at.
import { type JwsSigner, verifyDetached } from '../crypto/jws.ts';
import type { VerificationKey } from '../crypto/jwk.ts';
import { isJsonArray, isJsonObject, type Json, type JsonObject, writeJson } from '../domain/json.ts';
import { Refusal } from '../domain/refusal.ts';

const TYP = 'JOSE';
const MOST_SIGNATURES = 16;

/** A message, a list of them, or (`each`) a map of them. */
interface Shape {
  /** Neither REQUIRED nor `optional` in a2a.proto: left out when it holds its default. */
  readonly implicit: readonly string[];
  readonly members?: Readonly<Record<string, Shape>>;
  readonly each?: Shape;
}

// By place, not by name alone: a scheme may be called `list`, and what stands in the `params` of an extension is its own.
const REQUIREMENT: Shape = { implicit: ['schemes'], members: { schemes: { implicit: [], each: { implicit: ['list'] } } } };
const CARD: Shape = {
  implicit: ['securitySchemes', 'securityRequirements'],
  members: {
    supportedInterfaces: { implicit: ['tenant'] },
    capabilities: { implicit: ['extensions'], members: { extensions: { implicit: ['uri', 'description', 'required'] } } },
    securityRequirements: REQUIREMENT,
    skills: {
      implicit: ['examples', 'inputModes', 'outputModes', 'securityRequirements'],
      members: { securityRequirements: REQUIREMENT },
    },
  },
};

/**
 * What we sign of a card. A token has none of these members, and that is the point: the key signs tokens too, and an agent that puts
 * `iss`, `sub` and `aud` into its card must not get them signed.
 */
const SIGNED: ReadonlySet<string> = new Set([
  'name',
  'description',
  'supportedInterfaces',
  'provider',
  'version',
  'documentationUrl',
  'capabilities',
  'securitySchemes',
  'securityRequirements',
  'defaultInputModes',
  'defaultOutputModes',
  'skills',
  'iconUrl',
]);

/** What is signed: the card without its signatures, with members in order, without members that hold a default and need not be there. */
export const canonicalCard = ({ signatures: _own, ...card }: JsonObject): string => writeJson(inOrder(withoutDefaults(card, CARD)));

/**
 * The card with our signature: one, over the whole. A second one over what the SDK sees of a decoded card would let that SDK verify, and
 * everybody else be shown the card without its schemes.
 */
export function signCard(signer: JwsSigner, received: JsonObject): JsonObject {
  const card = Object.fromEntries(Object.entries(received).filter(([name]) => SIGNED.has(name)));
  return { ...card, signatures: [{ ...signer.signDetached(Buffer.from(canonicalCard(card)), TYP) }] };
}

/** @throws Refusal CORDON-3016 when no signature of a pinned key covers the whole card */
export function verifyCard(card: JsonObject, keys: ReadonlyMap<string, VerificationKey>): void {
  const signatures = isJsonArray(card['signatures']) ? card['signatures'].filter((one) => isJsonObject(one)) : [];
  if (signatures.length > MOST_SIGNATURES) throw new Refusal('CORDON-3016', 'the agent card has too many signatures');
  const whole = Buffer.from(canonicalCard(card));
  if (signatures.some((signature) => isSigned(signature, whole, keys))) return;
  throw new Refusal('CORDON-3016', 'no pinned key has signed the agent card', {
    observed: signatures.length === 0 ? 'no signature' : `${signatures.length} of other keys, or of another card`,
  });
}

function isSigned({ protected: head, signature }: JsonObject, bytes: Buffer, keys: ReadonlyMap<string, VerificationKey>): boolean {
  if (typeof head !== 'string' || typeof signature !== 'string') return false;
  try {
    verifyDetached({ head, signature }, bytes, keys, TYP);
    return true;
  } catch {
    return false; // of several signatures one is enough; which was wrong with how is nobody's business
  }
}

function withoutDefaults(json: Json, shape: Shape): Json {
  if (isJsonArray(json)) return json.map((one) => withoutDefaults(one, shape));
  if (!isJsonObject(json)) return json;
  const { implicit, members = {}, each } = shape;
  const held = Object.entries(json).filter(([name, value]) => !(implicit.includes(name) && isDefault(value)));
  return Object.fromEntries(
    held.map(([name, value]) => {
      const inner = each ?? (Object.hasOwn(members, name) ? members[name] : undefined);
      return [name, inner === undefined ? value : withoutDefaults(value, inner)];
    }),
  );
}

const isDefault = (value: Json): boolean =>
  value === '' || value === false || value === null || (typeof value === 'object' && Object.keys(value).length === 0);

/** RFC 8785 §3.2.3: by UTF-16 code units. Members whose names are numbers would come first in any object, so those are refused. */
function inOrder(json: Json): Json {
  if (isJsonArray(json)) return json.map(inOrder);
  if (!isJsonObject(json)) return json;
  const names = Object.keys(json).toSorted();
  if (names.some((name) => /^\d+$/.test(name))) throw new Refusal('CORDON-3016', 'a member of the agent card has a number for a name');
  return Object.fromEntries(names.map((name) => [name, inOrder(json[name] ?? null)]));
}
