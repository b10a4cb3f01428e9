// A real OpenID Connect issuer on loopback: discovery, a key set, tokens signed by another implementation than ours. It can also misbehave.
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { exportJWK, exportPKCS8, generateKeyPair, SignJWT, type JWK, type JWTPayload } from 'jose';

type Answer = (response: ServerResponse) => void;

export interface Issuer {
  /** As `iss` says it. */
  readonly url: string;
  /** What was asked for, path by path. */
  readonly asked: readonly string[];
  /** Claims are given; `iss`, `aud`, `iat`, `nbf`, `exp` have fitting values unless they are given too. */
  token(claims: Readonly<Record<string, unknown>>, header?: Readonly<Record<string, unknown>>): Promise<string>;
  /** Of the key that signs now. */
  readonly jwk: () => JWK;
  readonly pem: () => Promise<string>;
  /** A new key takes over; the old one is forgotten. */
  rotate(): Promise<void>;
  /** Answers a path otherwise; undefined: as before. */
  answer(path: string, answer: Answer | undefined): void;
  close(): Promise<void>;
}

export const AUDIENCE = 'cordon';

export async function openIssuer(algorithm: 'RS256' | 'ES256' = 'RS256', path = ''): Promise<Issuer> {
  const make = (): ReturnType<typeof generateKeyPair> => generateKeyPair(algorithm, { extractable: true });
  let key = await make();
  let count = 1;
  let jwk: JWK = { ...(await exportJWK(key.publicKey)), kid: 'key-1', alg: algorithm, use: 'sig' };
  const asked: string[] = [];
  const answers = new Map<string, Answer>();
  const server = createServer((request, response) => {
    const { url: at = '' } = request;
    asked.push(at);
    const own = answers.get(at);
    if (own !== undefined) return own(response);
    const body = at === `${path}/.well-known/openid-configuration` ? { issuer: url, jwks_uri: `${url}/keys` } : { keys: [jwk] };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' ? (address?.port ?? 0) : 0}${path}`;
  return {
    url,
    asked,
    jwk: () => jwk,
    pem: () => exportPKCS8(key.privateKey),
    token(claims, header = {}) {
      const now = Math.floor(Date.now() / 1000);
      const all: Record<string, unknown> = { iss: url, aud: AUDIENCE, iat: now, nbf: now, exp: now + 600, ...claims };
      const given = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
      return new SignJWT(given).setProtectedHeader({ alg: algorithm, kid: jwk.kid ?? '', ...header }).sign(key.privateKey);
    },
    async rotate() {
      key = await make();
      jwk = { ...(await exportJWK(key.publicKey)), kid: `key-${++count}`, alg: algorithm, use: 'sig' };
    },
    answer(at, answer) {
      if (answer === undefined) answers.delete(at);
      else answers.set(at, answer);
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** What a Kubernetes cluster says of a pod (bound service account token, Kubernetes 1.30). */
export const SERVICE_ACCOUNT: JWTPayload = {
  sub: 'system:serviceaccount:desk:clerk',
  jti: '2f5f9a0e-1c39-4a51-9f3c-5ac3ad9b2b0e',
  'kubernetes.io': {
    namespace: 'desk',
    node: { name: 'node-7', uid: 'd8a1d7d3-7f1c-4b21-8b1e-0c9c5b8c8a11' },
    pod: { name: 'clerk-5d9c7b6f4-x2x9k', uid: '0a1c2a5e-0a4f-4f6d-8c5b-6a0fd1b7f7aa' },
    serviceaccount: { name: 'clerk', uid: '7a52a5d2-0b0a-4a5e-9a66-7a7f3b0a7c55' },
  },
};

/** What GitHub Actions says of a job. */
export const ACTIONS_JOB: JWTPayload = {
  jti: 'example-id',
  sub: 'repo:acme/desk:environment:prod',
  environment: 'prod',
  ref: 'refs/heads/main',
  sha: 'example-sha',
  repository: 'acme/desk',
  repository_owner: 'acme',
  actor_id: '12',
  repository_visibility: 'private',
  repository_id: '74',
  repository_owner_id: '65',
  run_id: 'example-run-id',
  run_number: '10',
  run_attempt: '2',
  runner_environment: 'github-hosted',
  actor: 'octocat',
  workflow: 'example-workflow',
  head_ref: '',
  base_ref: '',
  event_name: 'workflow_dispatch',
  ref_type: 'branch',
  job_workflow_ref: 'acme/automation/.github/workflows/oidc.yml@refs/heads/main',
};
