// A real model behind the interface: chat completions with tools, as OpenAI defined them and most model servers speak them.
import * as z from 'zod';
import type { Message, Model, ToolCall, ToolSpec } from '../model.ts';

const TIMEOUT_MS = 120_000;

export interface ChatOptions {
  /** Base URL (`https://host/v1`) or the endpoint itself (`…/chat/completions`). */
  readonly url: string;
  readonly name: string;
  readonly key: string | undefined;
}

const Completion = z.object({
  choices: z
    .array(
      z.object({
        message: z.object({
          content: z.string().nullish(),
          tool_calls: z.array(z.object({ id: z.string(), function: z.object({ name: z.string(), arguments: z.string() }) })).nullish(),
        }),
      }),
    )
    .min(1),
});

export function chatModel({ url, name, key }: ChatOptions): Model {
  const endpoint = /\/chat\/completions\/?$/.test(url) ? url : `${url.replace(/\/$/, '')}/chat/completions`;
  return {
    next: async (messages, tools) => {
      const response = await fetch(endpoint, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        },
        body: JSON.stringify({ model: name, temperature: 0, messages: messages.map(toWire), ...offered(tools) }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (!response.ok) throw new Error(`the model server answers ${response.status}`);
      const { choices } = Completion.parse(await response.json());
      const { content, tool_calls: calls } = choices[0]?.message ?? {};
      return { text: content ?? '', calls: (calls ?? []).map((call) => ofWire(call.id, call.function)) };
    },
  };
}

const offered = (tools: readonly ToolSpec[]): object =>
  tools.length === 0
    ? {}
    : {
        tools: tools.map(({ name, description, parameters }) => ({
          type: 'function',
          function: { name, description, parameters },
        })),
      };

function toWire(message: Message): object {
  if (message.role === 'tool') return { role: 'tool', tool_call_id: message.id, content: message.outcome.text };
  if (message.role !== 'assistant') return { role: message.role, content: message.text };
  const calls = message.calls.map(({ id, name, args }) => ({
    id,
    type: 'function',
    function: { name, arguments: JSON.stringify(args) },
  }));
  return { role: 'assistant', content: message.text, ...(calls.length === 0 ? {} : { tool_calls: calls }) };
}

/** Arguments that are no JSON object become none: the tool's own schema then tells the model what is missing. */
function ofWire(id: string, call: { readonly name: string; readonly arguments: string }): ToolCall {
  return { id, name: call.name, args: argumentsOf(call.arguments) };
}

function argumentsOf(json: string): Record<string, unknown> {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(json));
  } catch {
    return {};
  }
}
