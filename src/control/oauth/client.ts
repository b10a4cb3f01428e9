// Who asks the token service (RFC 6749 §2.3): a workload over mTLS with its X509-SVID (RFC 8705 §2.1: the client IS the SPIFFE ID), or
// one that signs in with a JWT-SVID (SPIFFE client authentication; RFC 7523 §2.2). No secrets, and nobody without credentials. INVARIANTS I5, I6, I7
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import { readCertificate } from '../../crypto/certificate.ts';
import { readJws } from '../../crypto/jws.ts';
import { Refusal } from '../../domain/refusal.ts';
import { parseWorkload, workloadId, type TrustDomain, type Workload } from '../../domain/spiffe-id.ts';
import { OAuthRefusal } from '../../sts/errors.ts';
import { ASSERTION_TYPES } from '../../sts/token-type.ts';
import { readCaller } from '../caller.ts';
import type { Control } from '../control.ts';
import type { Form } from './form.ts';

export type ClientMethod = 'tls_client_auth' | 'spiffe_jwt';

export interface OauthClient {
  /** `client_id`: the SPIFFE ID without the run. */
  readonly id: string;
  /** With its run. */
  readonly workload: Workload;
  readonly method: ClientMethod;
  /** base64url SHA-256 of its certificate (RFC 8705 §3.1); over mTLS. */
  readonly certificate?: string;
  /** When its proof ends, Unix milliseconds. */
  readonly notAfter: number;
}

/** How one listener knows its clients. */
export interface OauthDoor {
  /** `https://host:port` of the listener: where the `htu` of a proof must be. */
  readonly url: string;
  /** `WWW-Authenticate` of a 401. */
  readonly challenge: string;
  /** @throws Refusal CORDON-1001, -1002, -1004, -1006, -1009 to -1014, -1016, -4002, -4005 */
  clientOf(request: IncomingMessage, form: Form): Promise<OauthClient>;
}

/** For the listener that asks for client certificates. */
export const mtlsDoor = (control: Control): OauthDoor => ({
  url: control.controlUrl,
  challenge: 'X509-SVID realm="oauth2"',
  async clientOf(request, form): Promise<OauthClient> {
    refuseSecrets(request, form);
    // RFC 6749 §2.3: one method in each request
    if (form.get('client_assertion') !== undefined) {
      throw new OAuthRefusal('invalid_request', 'CORDON-9011', 'a certificate and an assertion are one too many');
    }
    return living(control, named(certified(control, request), form));
  },
});

/** For the listener that asks for none. */
export const assertionDoor = (control: Control): OauthDoor => ({
  url: control.identityUrl,
  challenge: 'JWT-SVID realm="oauth2"',
  async clientOf(request, form): Promise<OauthClient> {
    refuseSecrets(request, form);
    return living(control, named(asserted(control, form), form));
  },
});

function refuseSecrets({ headers }: IncomingMessage, form: Form): void {
  if (headers.authorization === undefined && form.get('client_secret') === undefined) return;
  throw new Refusal('CORDON-1013', 'secrets are not accepted', { expected: 'an X509-SVID over mTLS, or a client assertion' });
}

/** It is the client that it names, if it names one. */
function named(client: OauthClient, form: Form): OauthClient {
  const name = form.get('client_id');
  if (name === undefined || name === client.id || name === client.workload.id) return client;
  throw new Refusal('CORDON-1013', '`client_id` names another client', { observed: `\`${name.slice(0, 120)}\``, expected: client.id });
}

/** What ends a workload's calls ends what it asks here. INVARIANT I6 */
async function living({ publisher, store, operators }: Control, client: OauthClient): Promise<OauthClient> {
  const { kind, name, run = '' } = client.workload;
  if (kind === 'operator' && operators.directory.roleOf(name) === undefined)
    throw new Refusal('CORDON-1017', `\`${name}\` is no operator any more`);
  const { world, runs } = publisher.current();
  if (kind === 'agent' && world.levels.get(name) === 'off') throw new Refusal('CORDON-4002', 'the level of the agent is off');
  const lives =
    kind === 'agent'
      ? runs.get(run)?.agent === name
      : await store.getRun(run).then((kept) => kept !== undefined && kept.endedAt === undefined);
  if (!lives) throw new Refusal('CORDON-4005', 'the run has ended or was never started');
  return client;
}

function certified(control: Control, { socket }: IncomingMessage): OauthClient {
  const { config } = control;
  const { workload, notAfter } = readCaller(socket, control);
  const leaf = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  if (leaf === undefined) throw new Refusal('CORDON-1001', 'no client certificate');
  const certificate = Buffer.from(readCertificate(leaf).fingerprint, 'hex').toString('base64url');
  return { id: clientId(config.trustDomain, workload), workload, method: 'tls_client_auth', certificate, notAfter };
}

const clientId = (trustDomain: TrustDomain, { kind, name }: Workload): string => workloadId(trustDomain, kind, name);

const KNOWN: readonly (string | undefined)[] = Object.values(ASSERTION_TYPES);

function asserted(control: Control, form: Form): OauthClient {
  const [type, assertion] = [form.get('client_assertion_type'), form.get('client_assertion')];
  if (type === undefined && assertion === undefined) {
    throw new Refusal('CORDON-1001', 'no client credentials', {
      fix: 'send a `client_assertion`, or come over mTLS to the control listener',
    });
  }
  if (assertion === undefined || !KNOWN.includes(type)) {
    throw new Refusal('CORDON-1013', 'no client assertion that is known', { expected: KNOWN.join(', ') });
  }
  // RFC 7523 §3: whoever sends the plain form of an assertion is its subject too; SPIFFE leaves `iss` out
  const { iss, sub } = readJws(assertion).payload;
  if (iss !== undefined && iss !== sub && type === ASSERTION_TYPES.jwt_bearer) throw new Refusal('CORDON-1009', '`iss` is not `sub`');
  const { id, expiresAt } = control.tokens.svidOf(assertion, control.identityUrl);
  const workload = parseWorkload(id);
  return { id: clientId(control.config.trustDomain, workload), workload, method: 'spiffe_jwt', notAfter: expiresAt };
}
