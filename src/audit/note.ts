// Signed notes and verifier keys. Standard: C2SP signed-note. Promises: a note is read exactly as it is written (no lenient base64,
// no other line ends, no stray characters), and a signature counts only under a key that the caller trusts by name and id.
import { Refusal } from '../domain/refusal.ts';
import { sha256 } from '../crypto/hash.ts';
import { verifyEd25519, type Ed25519Signer } from '../crypto/ed25519.ts';

/** Signature type of plain Ed25519 over the note text. */
const ED25519 = 0x01;
/** Room for 16 signatures of a post-quantum scheme; signed-note asks for a limit and for at least that. */
const MAX_NOTE_BYTES = 131_072;
const MAX_SIGNATURES = 64;
const MAX_NAME = 255;

export interface VerifierKey {
  readonly name: string;
  /** 8 lower case hex digits. */
  readonly id: string;
  /** 32 raw bytes. */
  readonly publicKey: Uint8Array;
}

export interface NoteSignature {
  readonly name: string;
  readonly id: string;
  /** What follows the key id. */
  readonly signature: Uint8Array;
}

export interface Note {
  /** What was signed, with its last newline and without the blank line. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** What a note's signatures say about one key. */
export type NoteVerdict = 'valid' | 'invalid' | 'absent';

/** The key of a name. @throws Refusal CORDON-9006 when the name cannot stand in a note */
export function verifierKey(name: string, publicKey: Uint8Array): VerifierKey {
  if (!isKeyName(name)) {
    throw new Refusal('CORDON-9006', 'not a key name', {
      observed: `\`${name.slice(0, 80)}\``,
      expected: `1 to ${MAX_NAME} characters without spaces, control characters or \`+\``,
    });
  }
  const hashed = Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(ED25519), publicKey]);
  return { name, id: Buffer.from(sha256(hashed).subarray(0, 4)).toString('hex'), publicKey };
}

/** `<name>+<hex id>+<base64 of type ‖ key>`, the form in which verifier keys are handed round. */
export const formatVerifierKey = ({ name, id, publicKey }: VerifierKey): string =>
  `${name}+${id}+${Buffer.concat([Buffer.of(ED25519), publicKey]).toString('base64')}`;

/** Reads a verifier key; the id must be the one that follows from name and key. @throws Refusal CORDON-9006 */
export function parseVerifierKey(text: string): VerifierKey {
  const [name = '', id = '', ...rest] = text.split('+');
  // only the name is shown: what was given for a public key may have been a private one
  const bad = (why: string): Refusal =>
    new Refusal('CORDON-9006', `not a verifier key: ${why}`, {
      observed: `a key named \`${name.slice(0, 80)}\``,
      expected: '`name+id+base64`',
    });
  // base64 may itself contain `+`
  const bytes = decodeBase64(rest.join('+'));
  if (bytes === undefined) throw bad('base64');
  if (bytes[0] !== ED25519 || bytes.byteLength !== 33) throw bad('not an Ed25519 key');
  const key = verifierKey(name, bytes.subarray(1));
  if (key.id !== id) throw bad(`the key id should be \`${key.id}\``);
  return key;
}

/** Signs a text that ends in a newline: the text, a blank line, one signature line. */
export function signNote(text: string, name: string, signer: Ed25519Signer): string {
  const { id } = verifierKey(name, signer.publicKey);
  const signature = Buffer.concat([Buffer.from(id, 'hex'), signer.sign(Buffer.from(text))]);
  return `${text}\n\u2014 ${name} ${signature.toString('base64')}\n`;
}

/** Reads a note. attacker-controlled. @throws Refusal CORDON-9011 */
export function parseNote(bytes: Uint8Array): Note {
  const note = decodeNoteText(bytes);
  const split = note.lastIndexOf('\n\n');
  if (split < 0) throw malformed('no blank line before the signatures');
  const lines = note.slice(split + 2).split('\n');
  if (lines.pop() !== '') throw malformed('the last line has no newline');
  if (lines.length === 0 || lines.length > MAX_SIGNATURES) throw malformed(`${lines.length} signatures, expected 1 to ${MAX_SIGNATURES}`);
  return { text: note.slice(0, split + 1), signatures: lines.map(parseSignature) };
}

/** Whether there is no signature block at all, which is another finding than a bad one. */
export const isUnsigned = (bytes: Uint8Array): boolean =>
  bytes.byteLength <= MAX_NOTE_BYTES && !Buffer.from(bytes).toString('utf8').includes('\n\n\u2014 ');

/** Every signature under this key must be good, and there must be one (signed-note, Signatures). */
export function verifyNote(note: Note, key: VerifierKey): NoteVerdict {
  const ours = note.signatures.filter(({ name, id }) => name === key.name && id === key.id);
  if (ours.length === 0) return 'absent';
  const text = Buffer.from(note.text);
  return ours.every(({ signature }) => verifyEd25519(key.publicKey, text, signature)) ? 'valid' : 'invalid';
}

/** Standard base64 with padding; undefined for anything that would not be written so (RFC 4648 §3.5). */
export function decodeBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

function decodeNoteText(bytes: Uint8Array): string {
  if (bytes.byteLength > MAX_NOTE_BYTES) throw malformed(`${bytes.byteLength} bytes, expected at most ${MAX_NOTE_BYTES}`);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new Refusal('CORDON-9011', 'malformed signed note: not UTF-8', { cause });
  }
  if (/[\u0000-\u0009\u000b-\u001f]/.test(text)) throw malformed('control character');
  return text;
}

function parseSignature(line: string): NoteSignature {
  const [dash, name = '', base64 = '', ...rest] = line.split(' ');
  if (dash !== '\u2014' || rest.length > 0 || !isKeyName(name)) throw malformed('not a signature line');
  const bytes = decodeBase64(base64);
  if (bytes === undefined || bytes.byteLength < 5) throw malformed('signature is not base64 of a key id and a signature');
  return { name, id: Buffer.from(bytes.subarray(0, 4)).toString('hex'), signature: bytes.subarray(4) };
}

const isKeyName = (name: string): boolean => name.length <= MAX_NAME && /^[^\p{White_Space}\p{Cc}+]+$/u.test(name) && name.isWellFormed();

const malformed = (why: string): Refusal => new Refusal('CORDON-9011', `malformed signed note: ${why}`);
