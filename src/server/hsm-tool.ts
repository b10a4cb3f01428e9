// A token (HSM) as OpenSC's `pkcs11-tool` reaches it: a process of its own, so that a vendor's module never runs inside Cordon. The PIN
// goes through the environment of that process, never through its arguments. Standard: PKCS #11; its URI: RFC 7512.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import type { OaepHash } from '../crypto/wrap.ts';
import { Refusal, errorCodeOf } from '../domain/refusal.ts';

/** What the URI names. */
export interface HsmKey {
  /** Label of the token. */
  readonly token: string;
  /** Label of the RSA key pair. */
  readonly object: string;
  /** The vendor's PKCS #11 library. */
  readonly module: string;
  /** File that holds the PIN. */
  readonly pinSource: string;
}

const ATTRIBUTES = ['token', 'object', 'module-path', 'pin-source'];

/** Reads `pkcs11:token=T;object=O?module-path=M&pin-source=file:P`. @throws Refusal CORDON-9006, repeating no value */
export function parseHsmUri(uri: string): HsmKey {
  const [path = '', query = '', ...more] = uri.slice('pkcs11:'.length).split('?');
  const found = new Map<string, string>();
  for (const part of more.length > 0 ? [] : [...path.split(';'), ...query.split('&')]) {
    const at = part.indexOf('=');
    const name = part.slice(0, Math.max(0, at));
    if (!ATTRIBUTES.includes(name) || found.has(name)) throw bad(`\`${name.slice(0, 20)}\` is not one of them, or is there twice`);
    found.set(name, decoded(part.slice(at + 1)));
  }
  const attribute = (name: string): string => {
    const value = found.get(name);
    if (value === undefined || value === '') throw bad(`\`${name}\` is missing`);
    return value;
  };
  const pin = attribute('pin-source');
  const pinSource = pin.startsWith('file:') ? pin.slice('file:'.length) : pin;
  return { token: attribute('token'), object: attribute('object'), module: attribute('module-path'), pinSource };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw bad('a percent sign that encodes nothing');
  }
}

const bad = (observed: string): Refusal =>
  new Refusal('CORDON-9006', 'CORDON_SEAL_KEY is not a PKCS #11 URI that can be used', {
    observed,
    expected: `pkcs11: with ${ATTRIBUTES.join(', ')}`,
    fix: 'pkcs11:token=TOKEN;object=KEY?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/path',
  });

const NAMES: Readonly<Record<OaepHash, readonly string[]>> = {
  sha256: ['--hash-algorithm', 'SHA256', '--mgf', 'MGF1-SHA256'],
  sha1: ['--hash-algorithm', 'SHA-1', '--mgf', 'MGF1-SHA1'],
};

/** One key pair of a token. */
export interface HsmPair {
  readonly key: HsmKey;
  /** CKA_ID in hex: `pkcs11-tool` decrypts with the first private key it sees when it is given a label alone. */
  readonly id: string;
  /** SPKI DER. */
  readonly publicKey: Uint8Array;
}

/** @throws Refusal CORDON-9006 unless the token has exactly one public key of this label */
export async function findPair(key: HsmKey): Promise<HsmPair> {
  const listed = Buffer.from(await run(key, ['--list-objects', '--type', 'pubkey'])).toString('utf8');
  const ids = [...listed.matchAll(/^ +label: +(.*)\n +ID: +([0-9a-f]+)$/gm)].flatMap(([, label, id]) =>
    label === key.object ? [id ?? ''] : [],
  );
  const [id, ...more] = ids;
  if (id === undefined || more.length > 0) {
    throw new Refusal('CORDON-9006', `the token has ${ids.length} keys with the label \`${key.object}\``, {
      expected: 'one RSA key pair',
      fix: `look at it: \`${TOOL} --module ${key.module} --list-objects\``,
    });
  }
  return { key, id, publicKey: await run(key, ['--read-object', '--type', 'pubkey', '--id', id]) };
}

/** Decrypts inside the token. @throws Refusal CORDON-9006 */
export const unwrap = ({ key, id }: HsmPair, pin: string, wrapped: Uint8Array, hash: OaepHash): Promise<Uint8Array> => {
  const decrypt = ['--decrypt', '--mechanism', 'RSA-PKCS-OAEP', ...NAMES[hash], '--id', id];
  return run(key, ['--login', '--pin', `env:${PIN}`, ...decrypt], { pin, input: wrapped });
};

const TOOL = 'pkcs11-tool';
const PIN = 'CORDON_HSM_PIN';
const MAX_OUTPUT = 65_536;
const TIMEOUT_MS = 30_000;
/** A token of files (SoftHSM) is away, or half there, while another process that logs in writes it anew: it is asked again, this often. */
const TRIES = 8;
const TRY_AGAIN_MS = 50;
const PASSING = /^(?:No slot with token|CKR_(?:GENERAL_ERROR|DEVICE_ERROR|TOKEN_NOT_PRESENT|USER_PIN_NOT_INITIALIZED)$)/;

interface Given {
  readonly pin?: string;
  readonly input?: Uint8Array;
}

async function run(key: HsmKey, args: readonly string[], given: Given = {}): Promise<Uint8Array> {
  for (let tries = 1; ; tries++) {
    try {
      return await runOnce(key, args, given);
    } catch (error) {
      const passing = error instanceof Refusal && PASSING.test(error.observed ?? ''); // a PIN that was refused is not tried again
      if (!passing || tries === TRIES) throw error;
      await setTimeout(TRY_AGAIN_MS);
    }
  }
}

async function runOnce(key: HsmKey, args: readonly string[], { pin, input }: Given): Promise<Uint8Array> {
  const { CORDON_SEAL_KEY: _uri, ...env } = process.env;
  const child = spawn(TOOL, ['--module', key.module, '--token-label', key.token, ...args], {
    env: { ...env, ...(pin === undefined ? {} : { [PIN]: pin }) },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const [output, said] = [collect(child.stdout), collect(child.stderr)];
  child.stdin.on('error', () => undefined); // it ended before it read: its exit code says so
  child.stdin.end(input);
  try {
    await once(child, 'close');
  } catch (cause) {
    const missing = errorCodeOf(cause) === 'ENOENT';
    const fix = missing ? 'install OpenSC: `apt-get install opensc`' : `see whether \`${TOOL}\` runs`;
    throw new Refusal('CORDON-9006', `cannot run \`${TOOL}\``, { cause, fix });
  }
  if (child.exitCode === 0) return Buffer.concat(output);
  throw new Refusal('CORDON-9006', 'the token did not do what it was asked', {
    observed: reasonOf(Buffer.concat(said).toString('utf8')),
    expected: `token \`${key.token}\` with an RSA key pair \`${key.object}\`, and its PIN`,
    fix: `look at it: \`${TOOL} --module ${key.module} --list-objects\``,
  });
}

function collect(stream: NodeJS.ReadableStream): readonly Buffer[] {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= MAX_OUTPUT) chunks.push(chunk);
  });
  return chunks;
}

/** `CKR_PIN_INCORRECT`, or the line that says what is missing; it names objects, never what they hold. */
const reasonOf = (said: string): string =>
  /CKR_[A-Z_]+/.exec(said)?.[0] ??
  said
    .split('\n')
    .find((line) => /not found|No slot|error/i.test(line))
    ?.slice(0, 120) ??
  'no reason given';

/** Was the PIN refused? It must not be tried again: tokens lock after a few. */
export const isPinRefused = ({ observed }: Refusal): boolean => observed?.startsWith('CKR_PIN') === true;
