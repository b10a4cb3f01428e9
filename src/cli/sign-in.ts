// Signing in from this terminal: a key is made here and never leaves; a browser proves who the person is.
import { setTimeout as sleep } from 'node:timers/promises';
import type * as z from 'zod';
import { readCertificate } from '../crypto/certificate.ts';
import { fetchUnverifiedRoots } from '../sdk/bootstrap.ts';
import { postJson } from '../sdk/channel.ts';
import { newRequest } from '../sdk/identity.ts';
import { readSignedIn, type Credentials } from './credentials.ts';
import type { Context } from './context.ts';
import { Failure } from './errors.ts';
import { several } from './units.ts';
import { OPERATOR_REPLIES } from './replies-operators.ts';

/** How often it is asked whether the person is done. Milliseconds. */
const EVERY = 1_000;

export interface SignInOptions {
  readonly server?: string;
  readonly trust?: string;
}

type Done = Extract<z.infer<typeof OPERATOR_REPLIES.loginState>, { state: 'done' }>;

export interface SignedIn {
  readonly done: Done;
  readonly credentials: Credentials;
}

/** @throws Failure when it is not known whom to trust, or the person did not sign in in time */
export async function signIn(context: Context, options: SignInOptions): Promise<SignedIn> {
  const { server, bundle } = await serverOf(context, options);
  const trust = { bundle, expect: 'control' } as const;
  const { key, csr } = await newRequest();
  const begun = OPERATOR_REPLIES.login.parse(await postJson(new URL('/v1/login', server), { csr }, trust));
  context.out.hint(`open  ${begun.url}`);
  context.out.hint(`code  ${begun.code}  go on in the browser only if it shows this`);
  const done = await collect(new URL('/v1/login/collect', server), begun, trust);
  const { svid: chain, bundle: roots, control } = done;
  return { done, credentials: { chain, privateKey: key, bundle: roots, control, identity: server.href } };
}

async function collect(
  url: URL,
  { login, secret, expires_at: until }: z.infer<typeof OPERATOR_REPLIES.login>,
  trust: Trust,
): Promise<Done> {
  while (Date.now() < until) {
    const state = OPERATOR_REPLIES.loginState.parse(await postJson(url, { login, secret }, trust));
    if (state.state === 'done') return state;
    await sleep(EVERY);
  }
  throw new Failure('login', 'nobody signed in within five minutes', { fix: ['begin again: `cordon login`'] });
}

type Trust = Parameters<typeof postJson>[2];

/** The server that was named, or the one of the last time; and the roots by which it is known. */
async function serverOf(
  { place }: Context,
  { server: named, trust }: SignInOptions,
): Promise<{ readonly server: URL; readonly bundle: string }> {
  const before = await readSignedIn(place).catch(() => undefined);
  const text = named ?? before?.identity;
  if (named !== undefined && !URL.canParse(named)) {
    throw new Failure('usage', '`--server` is no URL', { observed: `\`${named}\``, expected: 'https://HOST:8445' });
  }
  if (text === undefined || !URL.canParse(text)) {
    throw new Failure('usage', 'it is not known where to sign in', {
      fix: ['name it as your invitation does: `cordon login --server URL --trust FINGERPRINT`'],
    });
  }
  const server = new URL(text);
  if (server.protocol !== 'https:') throw new Failure('usage', 'the server is not at an https address', { observed: `\`${text}\`` });
  if (trust !== undefined) return { server, bundle: await bootstrap(server, trust) };
  if (before !== undefined && before.identity === server.href) return { server, bundle: before.bundle };
  throw new Failure('usage', 'it is not known whom to trust at this server', {
    fix: [`ask an admin for your invitation, which has it: \`cordon login --server ${text} --trust FINGERPRINT\``],
  });
}

/** The root of this fingerprint, fetched from whoever answers: what is kept was named beforehand, the rest is thrown away. */
async function bootstrap(server: URL, fingerprint: string): Promise<string> {
  const wanted = fingerprint
    .replace(/^sha256:/, '')
    .replaceAll(':', '')
    .toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(wanted)) {
    throw new Failure('usage', '`--trust` is not a fingerprint', {
      observed: several(wanted.length, 'character'),
      expected: 'SHA-256 in hex, 64 digits, whole as your invitation has it',
    });
  }
  const root = (await fetchUnverifiedRoots(server)).find((each) => readCertificate(each).fingerprint === wanted);
  if (root !== undefined) return root;
  throw new Failure('login', 'another Cordon answers there, or its root was replaced', {
    expected: `a root with the fingerprint ${wanted.slice(0, 16)}…`,
    fix: ['ask an admin for a new invitation: `cordon operator invite NAME`'],
  });
}
