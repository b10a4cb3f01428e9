// The credentials of whoever uses the command line: those that a running Cordon keeps in its data directory for the operator of this
// machine, or those that `cordon login` kept for a person. Owner only.
import { mkdir, readFile, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { derOf } from '../crypto/der.ts';
import { parseJson, writeJson } from '../domain/json.ts';
import { errorCodeOf, Refusal } from '../domain/refusal.ts';
import { checkPeer } from '../sdk/channel.ts';
import { writePrivate } from '../server/data-dir.ts';
import { Failure } from './errors.ts';

const credentials = z.object({
  chain: z.string(),
  privateKey: z.string(),
  /** Roots, PEM. */
  bundle: z.string(),
  control: z.url({ protocol: /^https$/ }),
  /** Where one signs in again. */
  identity: z.url({ protocol: /^https$/ }).optional(),
  pid: z.number().optional(),
});

export type Credentials = z.infer<typeof credentials>;

/** Where they may lie. */
export interface CredentialsPlace {
  /** The data directory of a Cordon of this machine. */
  readonly data: string;
  /** A file that was named; then nothing else is looked at. */
  readonly credentials: string | undefined;
}

export const WRITTEN_ANEW = 'restart `cordon up`: it writes them anew';
const SIGN_IN_AGAIN = 'sign in again: `cordon login`';

/** Where `cordon login` keeps them. */
export const signedInPath = ({ credentials: named }: CredentialsPlace): string =>
  named ?? join(process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config'), 'cordon', 'operator.json');

/** @throws Failure `unreachable` when no Cordon ran here and nobody signed in, `login` when they are not for this user */
export async function readCredentials(place: CredentialsPlace): Promise<Credentials> {
  const ofMachine = join(place.data, 'operator', 'credentials.json');
  const first = place.credentials === undefined ? await read(ofMachine, WRITTEN_ANEW) : undefined;
  const own = first ?? (await read(signedInPath(place), SIGN_IN_AGAIN));
  if (own !== undefined) return own;
  if (place.credentials !== undefined) {
    throw new Failure('login', 'nobody is signed in here', { observed: `\`${place.credentials}\` is not there`, fix: [SIGN_IN_AGAIN] });
  }
  const fix = [
    'start one here: `cordon up`',
    'name its data directory: `--data DIR`, or CORDON_DATA',
    'sign in elsewhere: `cordon login --server URL`',
  ];
  throw new Failure('unreachable', `no Cordon has run with the data directory \`${place.data}\``, {
    observed: `\`${ofMachine}\` is not there`,
    fix,
  });
}

/** What a person holds, if anybody is signed in. */
export const readSignedIn = (place: CredentialsPlace): Promise<Credentials | undefined> => read(signedInPath(place), SIGN_IN_AGAIN);

/** Undefined when there is no such file. */
async function read(path: string, again: string): Promise<Credentials | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    const code = errorCodeOf(cause);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    const fix = ['run this as the user that runs `cordon up`', 'or as yourself: `cordon login`'];
    throw new Failure('login', `the operator's credentials cannot be read`, { observed: `\`${path}\` ${String(code)}`, fix, cause });
  }
  const own = parse(bytes, path, again);
  const stranger = checkPeer(derOf(own.chain), 'operator');
  if (stranger === undefined) return own;
  throw new Failure('login', 'the credentials are not those of an operator', {
    observed: stranger instanceof Refusal ? (stranger.observed ?? stranger.message) : `\`${path}\``,
    expected: 'an SVID of kind `operator`',
    fix: [again],
    cause: stranger,
  });
}

function parse(bytes: Uint8Array, path: string, again: string): Credentials {
  try {
    return credentials.parse(parseJson(bytes, { maxBytes: 262_144, maxDepth: 4 }));
  } catch (cause) {
    throw new Failure('login', "the operator's credentials are damaged", { observed: `\`${path}\``, fix: [again], cause });
  }
}

/** Keeps them for their owner alone. @returns where */
export async function keepSignedIn(
  place: CredentialsPlace,
  { chain, privateKey, bundle, control, identity }: Credentials,
): Promise<string> {
  const path = signedInPath(place);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writePrivate(path, writeJson({ chain, privateKey, bundle, control, ...(identity === undefined ? {} : { identity }) }));
  return path;
}

/** @returns false when nobody was signed in */
export async function forgetSignedIn(place: CredentialsPlace): Promise<boolean> {
  try {
    await rm(signedInPath(place));
    return true;
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return false;
    throw error;
  }
}
