// Scopes (RFC 6749 §3.3): words, of which an exchange may only leave some out.
import { OAuthRefusal } from './errors.ts';

const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/;
const MOST = 1_024;

/** @throws OAuthRefusal `invalid_scope` */
function wordsOf(scope: string): readonly string[] {
  if (scope.length <= MOST && SCOPE.test(scope)) return [...new Set(scope.split(' '))];
  throw new OAuthRefusal('invalid_scope', 'CORDON-9011', 'the scope is malformed');
}

/**
 * What is left of the scopes that are held: all of them when none are asked for.
 * @throws OAuthRefusal `invalid_scope`, CORDON-2003 when more is asked for
 */
export function narrowScope(held: string | undefined, asked: string | undefined): string | undefined {
  if (asked === undefined) return held;
  return among(new Set(held?.split(' ')), asked);
}

/** Those that are asked for, when they are all among these. @throws OAuthRefusal `invalid_scope` */
export function among(scopes: ReadonlySet<string>, asked: string): string {
  const words = wordsOf(asked);
  const lost = words.find((word) => !scopes.has(word));
  if (lost === undefined) return words.join(' ');
  throw new OAuthRefusal('invalid_scope', 'CORDON-2003', 'the request asks for a scope that is not held', {
    observed: `\`${lost.slice(0, 80)}\``,
  });
}
