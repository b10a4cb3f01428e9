// The first contact with a Cordon of which only the fingerprint of a root is known.
import { Agent, request } from 'undici';
import { dersOf, pem } from '../crypto/der.ts';
import { errorCodeOf, Refusal } from '../domain/refusal.ts';

/** Bytes. */
const MAX_BUNDLE = 262_144;
const TIMEOUT_MS = 10_000;
/** Nobody is there, as Node and undici say it. */
const SILENT: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'TimeoutError',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/**
 * The roots that whoever answers at `server` shows, PEM each. Nothing of them is proven: the caller keeps the one whose fingerprint it
 * was told beforehand and forgets the rest. @throws Refusal CORDON-9010
 */
export async function fetchUnverifiedRoots(server: URL): Promise<readonly string[]> {
  const agent = new Agent({ connect: { rejectUnauthorized: false }, maxResponseSize: MAX_BUNDLE });
  try {
    const { body } = await request(new URL('/v1/bundle', server), { dispatcher: agent, signal: AbortSignal.timeout(TIMEOUT_MS) });
    return dersOf(await body.text()).map((der) => pem('CERTIFICATE', der));
  } catch (cause) {
    const silent = cause instanceof Error && SILENT.has(errorCodeOf(cause) ?? cause.name);
    if (silent) throw new Refusal('CORDON-9010', `nothing answers at \`${server.origin}\``, { cause });
    throw new Refusal('CORDON-9010', `what answers at \`${server.origin}\` is not the identity listener of a Cordon`, {
      cause,
      fix: 'name the address of your invitation; the port is that of `listen.identity`, by default 8445',
    });
  } finally {
    await agent.destroy();
  }
}
