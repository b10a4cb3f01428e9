// Requests outside that the gateway makes itself: every connection goes to an address that was looked at, whatever the name says by then.
import { connect as connectTls } from 'node:tls';
import { Agent, type buildConnector, type Dispatcher } from 'undici';
import { asRefusal } from '../domain/refusal.ts';
import type { Dial } from './egress-dial.ts';
import { readAuthority } from './egress-host.ts';
import { isIP, type Socket } from 'node:net';

export interface DispatcherParts {
  readonly dial: Dial;
  /** For a handshake. Milliseconds. */
  readonly connectMs: number;
  /** From a request until its answer begins. Milliseconds. */
  readonly answerMs: number;
  /** PEM; absent: the authorities of the system. */
  readonly ca: string | undefined;
}

export const createOutsideDispatcher = (parts: DispatcherParts): Dispatcher =>
  new Agent({
    connections: null,
    pipelining: 1,
    headersTimeout: parts.answerMs,
    bodyTimeout: 0,
    maxOrigins: MOST_ORIGINS,
    connect: connectorOf(parts),
  });

/** Wildcards stand for any number of hosts. */
const MOST_ORIGINS = 1024;

const connectorOf =
  (parts: DispatcherParts): buildConnector.connector =>
  (options, callback) => {
    void answer(connectTo(parts, options), callback);
  };

/** undici asks with a callback. */
async function answer(work: Promise<Socket>, callback: buildConnector.Callback): Promise<void> {
  let socket: Socket;
  try {
    socket = await work;
  } catch (error) {
    return callback(asRefusal(error, 'CORDON-9010', 'the host cannot be reached'), null);
  }
  callback(null, socket);
}

async function connectTo({ dial, connectMs, ca }: DispatcherParts, { hostname, port, protocol }: buildConnector.Options): Promise<Socket> {
  const to = readAuthority(port === '' ? hostname : `${hostname}:${port}`, protocol === 'https:' ? 443 : 80);
  const signal = AbortSignal.timeout(connectMs);
  const socket = await dial(to, signal);
  return protocol === 'https:' ? secured(socket, to.host, ca, signal) : socket;
}

function secured(socket: Socket, host: string, ca: string | undefined, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const tls = connectTls({
      socket,
      ...(isIP(host) === 0 ? { servername: host } : { host }),
      ...(ca === undefined ? {} : { ca }),
      ALPNProtocols: ['http/1.1'],
      minVersion: 'TLSv1.2',
    });
    const onAbort = (): void => void tls.destroy(asRefusal(signal.reason, 'CORDON-9010', 'the host did not complete the TLS handshake'));
    signal.addEventListener('abort', onAbort, { once: true });
    tls.once('secureConnect', () => {
      signal.removeEventListener('abort', onAbort);
      tls.off('error', reject);
      tls.on('error', () => tls.destroy());
      resolve(tls);
    });
    tls.once('error', reject);
  });
}
