// `ListTasks` (A2A 1.0 §3.1.4). To the agent all tasks are the gateway's, so its pages are read one after the other, what is the caller's is
// taken from them, and pages are made of that: no count, no token and no empty page tells of others. INVARIANTS I4, I9, I10
import { isJsonObject, type JsonObject } from '../domain/json.ts';
import { boundsOf, onwardOf, postToAgent, sendAnswer, upstreamOf } from './a2a-forward.ts';
import { answerTo } from './a2a-upstream.ts';
import { ownTasks, taskShown } from './a2a-outward.ts';
import type { Call, Forwarded, PlanOf } from './call.ts';
import type { Exchange } from './exchange.ts';
import type { Pep } from './pep.ts';
import { readJsonReply } from './reply-body.ts';

/** Of the agent's: what is further down is not found. */
const MOST_PAGES = 10;
const AGENT_PAGE = 100;
const MOST_TOKEN = 4_096;

/** Of the caller's (§3.1.4). */
const PAGE = { usual: 50, most: 100 };

/** @throws Refusal CORDON-9010 */
export async function listTasks(pep: Pep, exchange: Exchange, plan: PlanOf<'a2a/task'>, call: Call): Promise<Forwarded> {
  const { pageToken: _ours, pageSize: _size, ...filters } = onwardOf(plan);
  const page = new Page(plan.params);
  const ids = pep.a2aIds(call.request);
  const { contextId } = filters;
  const asked = typeof contextId === 'string' && contextId !== '' ? contextId : undefined;
  let token = '';
  let status = 200;
  for (let read = 0; read < MOST_PAGES; read++) {
    const params = { ...filters, pageSize: AGENT_PAGE, ...(token === '' ? {} : { pageToken: token }) };
    const response = await postToAgent(pep, exchange, call, plan, params);
    status = response.statusCode;
    const answer = answerTo(upstreamOf(pep, plan.agent), plan.id, await readJsonReply(response.body, boundsOf(pep)), status);
    const { result } = answer;
    if (!isJsonObject(result)) {
      sendAnswer(exchange, plan.binding, answer);
      return { upstreamStatus: status };
    }
    for (const task of ownTasks(ids, result, asked)) page.add(() => taskShown(ids, task));
    const next = result['nextPageToken'];
    if (typeof next !== 'string' || next === '' || next === token || next.length > MOST_TOKEN) break;
    token = next;
  }
  sendAnswer(exchange, plan.binding, { jsonrpc: '2.0', id: plan.id, result: page.result() });
  return { upstreamStatus: status };
}

/** A page of the caller's own tasks. Its token is how many came before. */
class Page {
  readonly #from: number;
  readonly #size: number;
  readonly #tasks: JsonObject[] = [];
  #found = 0;

  constructor({ pageSize, pageToken }: JsonObject) {
    this.#from = typeof pageToken === 'string' ? Number(pageToken) : 0;
    this.#size = typeof pageSize === 'number' && pageSize > 0 ? Math.min(pageSize, PAGE.most) : PAGE.usual;
  }

  add(task: () => JsonObject): void {
    if (this.#found >= this.#from && this.#tasks.length < this.#size) this.#tasks.push(task());
    this.#found += 1;
  }

  result(): JsonObject {
    const end = this.#from + this.#tasks.length;
    return {
      tasks: this.#tasks,
      nextPageToken: this.#tasks.length > 0 && end < this.#found ? String(end) : '',
      pageSize: this.#size,
      totalSize: this.#found,
    };
  }
}
