// Another trust domain with a certificate authority of its own, and an endpoint that publishes whatever it is told to.
import { once } from 'node:events';
import { createServer, type Server, type ServerOptions } from 'node:https';
import { randomSerial } from '../../src/crypto/random.ts';
import { generateKeyPem } from '../../src/crypto/x509.ts';
import { writeJson, type JsonObject } from '../../src/domain/json.ts';
import { parseTrustDomain, type TrustDomain } from '../../src/domain/spiffe-id.ts';
import { createIntermediate, createRoot, type SigningCertificate } from '../../src/identity/authority.ts';
import { bundleDocument } from '../../src/identity/bundle.ts';
import { forge } from './forge.ts';

const HOUR = 3_600_000;

export interface Published {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface OtherDomain {
  readonly trustDomain: TrustDomain;
  readonly endpointId: string;
  readonly url: string;
  /** Paths that were asked for. */
  readonly asked: readonly string[];
  root(): SigningCertificate;
  /** A new root signs from now on. @returns the one before */
  rotate(): Promise<SigningCertificate>;
  /** A leaf with its intermediate, under any name. */
  svid(uri: string, root?: SigningCertificate): Promise<{ readonly cert: string; readonly key: string }>;
  document(sequence: number, roots?: readonly SigningCertificate[]): JsonObject;
  publish(what: JsonObject | Published): void;
  close(): Promise<void>;
}

/** `tls`: of the endpoint, where it has no SVID. `endpointId`: who it says it is. */
export async function openOtherDomain(
  name: string,
  options: { readonly tls?: Pick<ServerOptions, 'cert' | 'key'>; readonly endpointId?: string } = {},
): Promise<OtherDomain> {
  const trustDomain = parseTrustDomain(name);
  const endpointId = options.endpointId ?? `spiffe://${name}/control/control-1`;
  const created = { trustDomain, serial: randomSerial };
  let root = await createRoot({ ...created, now: Date.now() });
  let published: Published = { body: '{}' };
  const asked: string[] = [];

  const svid = async (uri: string, by = root): Promise<{ cert: string; key: string }> => {
    const issuer = await createIntermediate(by, { ...created, now: Date.now() });
    const key = await generateKeyPem();
    const leaf = await forge({ uri, key, issuer, notBefore: Date.now() - HOUR / 60, notAfter: Date.now() + HOUR });
    return { cert: `${leaf}${issuer.certificate}`, key: key.privateKey };
  };

  const server: Server = createServer({ ...(options.tls ?? (await svid(endpointId))), minVersion: 'TLSv1.3' }, (req, res) => {
    asked.push(req.url ?? '');
    const { status = 200, headers = {}, body } = published;
    res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    trustDomain,
    endpointId,
    url: `https://${options.tls === undefined ? '127.0.0.1' : 'localhost'}:${port}/bundle`,
    asked,
    root: () => root,
    async rotate(): Promise<SigningCertificate> {
      const before = root;
      root = await createRoot({ ...created, now: Date.now() });
      return before;
    },
    svid,
    document: (sequence, roots = [root]) =>
      bundleDocument({ roots: roots.map(({ certificate }) => certificate), jwtKeys: [], sequence, refreshHint: 300 }),
    publish(what): void {
      published = typeof what['body'] === 'string' ? { body: '', ...what } : { body: writeJson(what as JsonObject) };
    },
    async close(): Promise<void> {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}
