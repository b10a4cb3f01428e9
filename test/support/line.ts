// One agent's connection to the gateway, kept for all its calls: one at a time, in order.
import { Client } from 'undici';
import { toolCall, type Answer, type Svid } from './bed.ts';

export interface Line {
  /** Calls a tool. Rejects when the connection ends before the answer. */
  call(tool: string, args: object, server?: string): Promise<Answer>;
  /** Sends any MCP message with these headers. */
  post(path: string, headers: Readonly<Record<string, string>>, body: string): Promise<Answer>;
  close(): Promise<void>;
}

export function openLine(port: number, { cert, key, ca }: Svid): Line {
  const client = new Client(`https://127.0.0.1:${port}`, {
    pipelining: 1,
    connect: { cert, key, ca, servername: '', maxCachedSessions: 0, checkServerIdentity: () => undefined },
  });
  const post: Line['post'] = async (path, headers, body) => {
    const answer = await client.request({ method: 'POST', path, headers: { ...headers, 'content-type': 'application/json' }, body });
    const text = await answer.body.text();
    const json = /json/.test(String(answer.headers['content-type'])) ? (JSON.parse(text) as Record<string, unknown>) : {};
    return { status: answer.statusCode, headers: answer.headers, text, json };
  };
  return {
    post,
    call: (tool, args, server) => {
      const { path, headers, body } = toolCall(tool, args, server);
      return post(path, headers as Record<string, string>, String(body));
    },
    close: () => client.destroy(),
  };
}
