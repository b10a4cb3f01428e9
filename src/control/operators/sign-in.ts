// Signing in from a terminal: it asks with a key of its own, a person proves in a browser who they are, the terminal takes the SVID.
// The shape is that of RFC 8628 (device authorization): nothing that is worth stealing passes through the browser.
import { sha256Hex } from '../../crypto/hash.ts';
import { randomId, randomSecret } from '../../crypto/random.ts';
import type { OperatorRole } from '../../domain/operators.ts';
import { Refusal } from '../../domain/refusal.ts';
import type { IssuedSvid } from '../../identity/issue.ts';
import { recordAct, type ActLog } from '../acts.ts';

/** How long a person has. Milliseconds. */
export const LOGIN_TTL = 5 * 60_000;
/** Logins at once; more are refused, so that a flood does not push out those that are under way. */
const MOST = 200;

/** How a person proved who they are. */
export type SignInMeans = 'passkey' | 'oidc';

export interface SignInParts extends ActLog {
  readonly roleOf: (name: string) => OperatorRole | undefined;
  /** Checks a certificate request. @throws Refusal CORDON-1013 */
  readonly check: (request: Uint8Array) => Promise<void>;
  /** An SVID of an operator. @throws Refusal CORDON-1013 */
  readonly issue: (name: string, request: Uint8Array) => Promise<IssuedSvid>;
}

export interface StartedLogin {
  readonly login: string;
  /** What the terminal shows and the person compares. */
  readonly code: string;
  /** Secret: only who has it takes the SVID. */
  readonly secret: string;
  readonly expiresAt: number;
}

export interface SignIns {
  /** `request`: PKCS#10 DER. @throws Refusal CORDON-1013, -4003 */
  begin(request: Uint8Array): Promise<StartedLogin>;
  /** What the page shows of a login. @throws Refusal CORDON-1005 unknown or too late */
  view(login: string): { readonly code: string; readonly expiresAt: number };
  /** A person proved to be `name`. @throws Refusal CORDON-1005, -1014 no operator */
  approve(login: string, name: string, means: SignInMeans): void;
  /** Undefined while nobody has. @throws Refusal CORDON-1005, -1014 */
  collect(login: string, secret: string): Promise<{ readonly name: string; readonly svid: IssuedSvid } | undefined>;
}

interface Login extends StartedLogin {
  readonly request: Uint8Array;
  name?: string;
}

export function createSignIns(parts: SignInParts): SignIns {
  const logins = new Map<string, Login>();
  const { now, roleOf } = parts;

  const sweep = (): void => {
    for (const [id, { expiresAt }] of logins) if (expiresAt <= now()) logins.delete(id);
  };
  const get = (id: string): Login => {
    const login = logins.get(id);
    if (login !== undefined && login.expiresAt > now()) return login;
    throw new Refusal('CORDON-1005', 'this sign-in is unknown, done or too late', { fix: 'begin again: `cordon login`' });
  };

  return {
    async begin(request): Promise<StartedLogin> {
      sweep();
      if (logins.size >= MOST) throw new Refusal('CORDON-4003', 'too many sign-ins are under way');
      await parts.check(request);
      const code = randomId(8);
      const login: Login = {
        login: randomId(20),
        code: `${code.slice(0, 4)}-${code.slice(4)}`,
        secret: randomSecret(),
        expiresAt: now() + LOGIN_TTL,
        request,
      };
      logins.set(login.login, login);
      return { login: login.login, code: login.code, secret: login.secret, expiresAt: login.expiresAt };
    },

    view(id) {
      const { code, expiresAt, name } = get(id);
      if (name !== undefined) throw new Refusal('CORDON-1005', 'this sign-in is done');
      return { code, expiresAt };
    },

    approve(id, name, means): void {
      const login = get(id);
      const role = roleOf(name);
      if (role === undefined)
        throw new Refusal('CORDON-1017', `\`${name}\` is no operator`, { fix: 'ask an admin: `cordon operator invite NAME --role ROLE`' });
      if (login.name !== undefined) throw new Refusal('CORDON-1005', 'this sign-in is done');
      recordAct(parts, { actor: `operator/${name}`, act: 'operator.login', target: name, detail: { means, role } });
      login.name = name;
    },

    async collect(id, secret) {
      const login = get(id);
      // by digest: how long the comparison takes says nothing of the secret
      if (sha256Hex(secret) !== sha256Hex(login.secret)) throw new Refusal('CORDON-1005', 'this sign-in is of another terminal');
      const { name, request } = login;
      if (name === undefined) return undefined;
      logins.delete(id); // once
      if (roleOf(name) === undefined) throw new Refusal('CORDON-1017', `\`${name}\` is no operator`);
      return { name, svid: await parts.issue(name, request) };
    },
  };
}
