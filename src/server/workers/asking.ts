// What a worker asks the main process, which counts for all. A question that is not answered in time is a refusal. INVARIANT I1
import { Refusal } from '../../domain/refusal.ts';
import type { Counted, SharedCounts } from '../../gateway/shared-counts.ts';
import type { Before, Made } from '../../gateway/shared-sessions.ts';
import type { Bringing } from '../../gateway/task-labels.ts';
import type { FromWorker, ToWorker } from './messages.ts';

/** Milliseconds. */
const ANSWER_MS = 2_000;

/** Questions of one kind that wait for their answers. */
class Questions<T> {
  readonly #waiting = new Map<number, PromiseWithResolvers<T>>();
  #next = 1;

  /** @throws Refusal CORDON-9012 */
  async ask(send: (id: number) => void): Promise<T> {
    const id = this.#next++;
    const answer = Promise.withResolvers<T>();
    this.#waiting.set(id, answer);
    const late = setTimeout(() => answer.reject(new Refusal('CORDON-9012', 'the control plane does not answer')), ANSWER_MS);
    try {
      send(id);
      return await answer.promise;
    } finally {
      clearTimeout(late);
      this.#waiting.delete(id);
    }
  }

  answered(id: number, answer: T | Refusal): void {
    if (answer instanceof Refusal) this.#waiting.get(id)?.reject(answer);
    else this.#waiting.get(id)?.resolve(answer);
  }
}

export type Answered = Extract<ToWorker, { readonly kind: 'taken' | 'counted' | 'brought' }>;

export class Asking implements SharedCounts {
  readonly #say: (message: FromWorker) => void;
  readonly #taken = new Questions<number>();
  readonly #counted = new Questions<Before>();
  readonly #brought = new Questions<readonly string[]>();

  constructor(say: (message: FromWorker) => void) {
    this.#say = say;
  }

  take(what: Counted): Promise<number> {
    return this.#taken.ask((id) => this.#say({ kind: 'take', id, what }));
  }

  giveBack(what: Counted): void {
    this.#say({ kind: 'give', what });
  }

  async count(made: Made): Promise<Before> {
    try {
      return await this.#counted.ask((id) => this.#say({ kind: 'count', id, made }));
    } catch (error) {
      this.uncount(made); // what is read after the question: a call that is refused for want of an answer was not made
      throw error;
    }
  }

  uncount(made: Made): void {
    this.#say({ kind: 'uncount', made });
  }

  bring(bringing: Bringing): Promise<readonly string[]> {
    return this.#brought.ask((id) => this.#say({ kind: 'bring', id, bringing }));
  }

  answered(answer: Answered): void {
    if (answer.kind === 'counted') this.#counted.answered(answer.id, answer.before);
    else if (answer.kind === 'brought')
      this.#brought.answered(answer.id, 'code' in answer.own ? new Refusal(answer.own.code, answer.own.message) : answer.own);
    else this.#taken.answered(answer.id, answer.before ?? new Refusal('CORDON-4003', 'more is to be counted than can be'));
  }
}
