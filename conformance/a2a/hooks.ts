// The webhook of the suite, on plain loopback: whoever asks it hears what it was told.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/**
 * `POST /any` is a notification; `GET /any?with=WORD&with=…` answers with the first notification there that has all the words, as soon as there
 * is one. @returns its URL
 */
export async function openHooks(stack: AsyncDisposableStack): Promise<string> {
  const heard = new Map<string, string[]>();
  const asking = new Set<() => void>();
  const server = createServer((req, res) => {
    const { pathname, searchParams } = new URL(req.url ?? '/', 'http://hooks');
    const words = searchParams.getAll('with');
    const answer = (): void => {
      const said = heard.get(pathname)?.find((one) => words.every((word) => one.includes(word)));
      if (said === undefined) return;
      asking.delete(answer);
      res.end(said);
    };
    if (req.method === 'GET') {
      asking.add(answer);
      res.once('close', () => asking.delete(answer));
      return answer();
    }
    const hear = async (): Promise<void> => {
      heard.set(pathname, [...(heard.get(pathname) ?? []), await text(req)]);
      res.end();
      for (const one of asking) one();
    };
    void hear();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  stack.defer(async () => {
    server.closeAllConnections();
    await server[Symbol.asyncDispose]();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
}
