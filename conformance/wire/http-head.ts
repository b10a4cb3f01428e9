// HTTP heads as the gateway reads them: its parser over a connection in memory, then its own checks.
import { createServer, type IncomingMessage } from 'node:http';
import { duplexPair } from 'node:stream';
import { Refusal } from '../../src/domain/refusal.ts';
import { checkHeaders } from '../../src/gateway/body.ts';
import { openExchange } from '../../src/gateway/exchange.ts';

/** What a head says: the same for every reader that follows RFC 9112. */
interface Said {
  readonly line: readonly [method: string, target: string];
  readonly fields: readonly string[];
}

/** The first request in `bytes`. @throws Refusal as the gateway refuses it */
function readHead(bytes: Buffer): Promise<Said> {
  const { promise, resolve, reject } = Promise.withResolvers<Said>();
  const server = createServer({ requireHostHeader: false, insecureHTTPParser: false, maxHeaderSize: 16_384 }, (req, res) => {
    try {
      checkHeaders(openExchange(req, res));
      resolve(saidIn(req));
    } catch (error) {
      reject(error instanceof Error ? error : new Error(String(error)));
    }
    res.destroy();
  });
  server.maxHeadersCount = 0;
  const no = (): void => reject(new Refusal('CORDON-9011', 'malformed HTTP'));
  const [near, far] = duplexPair();
  server.on('clientError', (_error, socket) => {
    socket.destroy();
    no();
  });
  for (const event of ['upgrade', 'connect', 'checkExpectation']) server.on(event, no);
  for (const end of [near, far]) end.on('error', () => undefined);
  far.resume().once('close', no);
  server.emit('connection', near);
  far.end(bytes);
  near.once('end', () => setImmediate(no)); // all was read, and it was no whole head
  return promise.finally(() => {
    near.destroy();
    far.destroy();
  });
}

const saidIn = ({ method = '', url = '', rawHeaders }: IncomingMessage): Said => ({ line: [method, url], fields: rawHeaders });

function written({ line, fields }: Said): Buffer {
  const lines = fields.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${fields[at + 1] ?? ''}`] : []));
  return Buffer.from([`${line.join(' ')} HTTP/1.1`, ...lines, '\r\n'].join('\r\n'), 'latin1');
}

/** What is written from an accepted head is read as the same. @returns what is wrong */
export async function headDiffers(bytes: Buffer): Promise<string | undefined> {
  const said = await readHead(bytes);
  if (said.fields.some((field) => /[\r\n\0]/.test(field))) return 'a header with an end of line in it';
  const again = await readHead(written(said)).catch(() => undefined);
  return JSON.stringify(again) === JSON.stringify(said) ? undefined : 'written anew it is read otherwise';
}
