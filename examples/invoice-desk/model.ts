// The decision maker of an agent: messages and tools in, words or tool calls out. A script that acts as a language model would, or a
// real model, by environment: DESK_MODEL_URL, DESK_MODEL_NAME, DESK_MODEL_KEY.
import type { Outcome } from './peers/outcome.ts';
import { chatModel } from './models/chat.ts';
import { scriptedModel, type Script } from './models/scripted.ts';

export interface ToolSpec {
  /** `server__tool`: letters, digits, `_` and `-`. */
  readonly name: string;
  readonly description: string;
  /** JSON Schema of the arguments. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly args: Readonly<Record<string, unknown>>;
}

export type Message =
  | { readonly role: 'system' | 'user'; readonly text: string }
  | { readonly role: 'assistant'; readonly text: string; readonly calls: readonly ToolCall[] }
  | { readonly role: 'tool'; readonly id: string; readonly outcome: Outcome };

/** No calls: the text is the answer. */
export interface Turn {
  readonly text: string;
  readonly calls: readonly ToolCall[];
}

export interface Model {
  next(messages: readonly Message[], tools: readonly ToolSpec[]): Promise<Turn>;
}

/** The model that the environment names; without one, `script`. */
export function modelFor(script: Script, env: NodeJS.ProcessEnv = process.env): Model {
  const url = env['DESK_MODEL_URL'];
  if (url === undefined || url === '') return scriptedModel(script);
  return chatModel({ url, name: env['DESK_MODEL_NAME'] ?? 'default', key: env['DESK_MODEL_KEY'] });
}
