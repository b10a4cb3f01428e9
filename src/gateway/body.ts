// Reading a request before anything is decided about it: bounded, complete, with no header said twice. attacker-controlled
import type { IncomingMessage } from 'node:http';
import { Refusal } from '../domain/refusal.ts';

/** Headers that a list may span; any other header said twice is refused. */
const LISTS = new Set(['accept', 'accept-encoding', 'accept-language', 'cache-control', 'via', 'forwarded', 'cookie']);

/** @throws Refusal CORDON-3011 a repeated header, CORDON-9011 a framing that two readers could see differently */
export function checkHeaders(req: IncomingMessage): void {
  const seen = new Set<string>();
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    const name = (req.rawHeaders[i] ?? '').toLowerCase();
    if (seen.has(name) && !LISTS.has(name)) {
      throw new Refusal('CORDON-3011', 'header repeated', { observed: name.slice(0, 60), expected: 'each header once' });
    }
    seen.add(name);
  }
  if (req.httpVersion !== '1.1') throw new Refusal('CORDON-9011', 'HTTP/1.1 is required', { observed: req.httpVersion });
  for (const name of ['upgrade', 'trailer', 'te', 'content-encoding', 'expect']) {
    if (seen.has(name)) throw new Refusal('CORDON-9011', 'header not accepted', { observed: name });
  }
  if (!(req.url ?? '').startsWith('/')) throw new Refusal('CORDON-9011', 'absolute-form targets are not accepted here');
}

/** Reads the whole body. @throws Refusal CORDON-9011 when it is longer than `maxBytes` or ends early */
export async function readBody(req: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const tooLarge = (observed: string): Refusal =>
    new Refusal('CORDON-9011', 'body too large', { observed, expected: `at most ${maxBytes} bytes` });
  const declared = Number(req.headers['content-length'] ?? 0);
  if (declared > maxBytes) throw tooLarge(`${declared} bytes`);
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of req as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) throw tooLarge(`more than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof Refusal) throw cause;
    throw new Refusal('CORDON-9011', 'body truncated', { cause });
  }
  return Buffer.concat(chunks);
}
