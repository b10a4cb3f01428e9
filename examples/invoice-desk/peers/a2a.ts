// A client of one A2A agent, on the official SDK (A2A 1.0, JSON-RPC binding): a message there, the answer's text back.
import { randomUUID } from 'node:crypto';
import { Role, type Message, type Part } from '@a2a-js/sdk';
import { ClientFactory, DefaultAgentCardResolver, JsonRpcTransportFactory, type Client } from '@a2a-js/sdk/client';
import type { Fetch } from '../wire.ts';
import { HttpAnswer, ofError, type Outcome } from './outcome.ts';

/** An agent with a real model behind it takes its time. */
const ANSWER_TIMEOUT_MS = 600_000;

export interface A2aPeer {
  /** Never rejects: whatever happens is an outcome. */
  ask(text: string): Promise<Outcome>;
}

export function a2aPeer(target: () => { readonly url: URL; readonly fetch: Fetch }): A2aPeer {
  let client: Promise<Client> | undefined;

  function connect(): Promise<Client> {
    const { url, fetch } = target();
    const fetchImpl = keepingBodies(fetch);
    const factory = new ClientFactory({
      transports: [new JsonRpcTransportFactory({ fetchImpl })],
      cardResolver: new DefaultAgentCardResolver({ fetchImpl }),
    });
    return factory.createFromUrl(url.href.replace(/\/?$/, '/'));
  }

  return {
    ask: async (text) => {
      try {
        client ??= connect();
        const answer = await (await client).sendMessage(request(text), { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
        return {
          ok: true,
          text: 'parts' in answer ? textOf(answer.parts) : textOf(answer.status?.message?.parts ?? []),
        };
      } catch (error) {
        client = undefined;
        return ofError(error);
      }
    },
  };
}

/** The SDK forgets the body of an answer that is neither a success nor JSON-RPC. */
const keepingBodies =
  (fetch: Fetch): typeof globalThis.fetch =>
  async (input, init) => {
    const response = await fetch(input instanceof Request ? input.url : input, init);
    if (response.ok) return response;
    throw new HttpAnswer(response.status, await response.text());
  };

export const textPart = (value: string): Part => ({
  content: { $case: 'text', value },
  metadata: undefined,
  filename: '',
  mediaType: '',
});

export const textOf = (parts: readonly Part[]): string =>
  parts.flatMap(({ content }) => (content?.$case === 'text' ? [content.value] : [])).join('\n');

export const messageOf = (role: Role, text: string, contextId = ''): Message => ({
  messageId: randomUUID(),
  role,
  contextId,
  taskId: '',
  parts: [textPart(text)],
  metadata: undefined,
  extensions: [],
  referenceTaskIds: [],
});

const request = (text: string): Parameters<Client['sendMessage']>[0] => ({
  tenant: '',
  message: messageOf(Role.ROLE_USER, text),
  configuration: undefined,
  metadata: undefined,
});
