// A model that follows a script. The script is a generator: it yields the calls it wants made, is told what came of each, and returns
// its answer. Like any model it holds no state of its own: each turn replays the conversation so far.
import type { Outcome } from '../peers/outcome.ts';
import type { Model, ToolCall } from '../model.ts';

export interface Wish {
  readonly name: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** What the model says beside the call. */
  readonly says?: string;
}

export type Script = (input: string) => Generator<Wish, string, Outcome>;

const NOTHING: Outcome = { ok: false, text: 'no answer' };

export const scriptedModel = (script: Script): Model => ({
  next: (messages) => {
    const asked = messages.findLastIndex(({ role }) => role === 'user');
    const question = messages[asked];
    const run = script(question?.role === 'user' ? question.text : '');
    const outcomes = messages.slice(asked + 1).flatMap((message) => (message.role === 'tool' ? [message.outcome] : []));
    let step = run.next(NOTHING);
    for (const outcome of outcomes) {
      if (step.done !== true) step = run.next(outcome);
    }
    if (step.done === true) return Promise.resolve({ text: step.value, calls: [] });
    const { name, args, says = '' } = step.value;
    const call: ToolCall = { id: `call_${outcomes.length + 1}`, name, args };
    return Promise.resolve({ text: says, calls: [call] });
  },
});
