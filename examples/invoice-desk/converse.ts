// The loop every agent runs: the model decides, its calls are made, what came of them goes back to it, until it answers in words.
import type { Outcome } from './peers/outcome.ts';
import type { Message, Model, ToolCall, ToolSpec } from './model.ts';

/** A model that goes in circles is stopped. */
const MAX_TURNS = 20_000;

export interface Conversation {
  readonly model: Model;
  readonly system: string;
  readonly tools: readonly ToolSpec[];
  readonly run: (call: ToolCall) => Promise<Outcome>;
  readonly onThought: (text: string) => void;
}

/** @returns the model's last words. @throws Error when the model cannot be reached or never ends */
export async function converse({ model, system, tools, run, onThought }: Conversation, input: string): Promise<string> {
  const messages: Message[] = [
    { role: 'system', text: system },
    { role: 'user', text: input },
  ];
  for (let turn = 0; turn < MAX_TURNS; turn++) {
    const { text, calls } = await model.next(messages, tools);
    if (calls.length === 0) return text;
    if (text !== '') onThought(text);
    messages.push({ role: 'assistant', text, calls });
    for (const call of calls) messages.push({ role: 'tool', id: call.id, outcome: await run(call) });
  }
  throw new Error(`no answer after ${MAX_TURNS} turns`);
}
