// One process of an MCP server that speaks over its standard input and output (MCP 2025-11-25, stdio: newline-delimited JSON-RPC), from
// its handshake to its end. It has an environment of its own and no other way in. attacker-controlled: all that it says
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { isJsonObject, parseJson, writeJson, type Json, type JsonBounds, type JsonObject } from '../domain/json.ts';
import { Refusal, asRefusal } from '../domain/refusal.ts';
import type { Breaker } from './breaker.ts';
import { isNotification, isRpcId, outcomeOf } from './json-rpc.ts';
import { readLines } from './lines.ts';
import { createFlow } from './mcp-restarts.ts';
import { LEGACY } from './mcp-headers.ts';
import type { RpcId } from './mcp-words.ts';
import type { ClientInfo, OnNotification, RpcOutcome } from './upstreams.ts';
import { abortReason, within } from './waiting.ts';

export interface McpProcessOptions {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  /** The whole environment of the server; nothing of ours is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly bounds: JsonBounds;
  readonly client: ClientInfo;
  /** From a request until its answer, or between two notifications about it. Milliseconds. */
  readonly answerMs: number;
  /** What the server hears that callers can be asked: `sampling`, `elicitation`, `roots`. */
  readonly asks: readonly string[];
  /** Told whether the server answers. */
  readonly health: Pick<Breaker, 'answered' | 'failed'>;
  /** Lines that the server writes to its standard error. */
  readonly onStderr: (line: string) => void;
}

export interface McpProcessRequest {
  readonly method: string;
  readonly params: JsonObject;
  /** Absent when no progress is asked for. */
  readonly onNotification?: OnNotification;
  /** Absent when whoever makes the request can be asked nothing. */
  readonly onAsk?: OnAsk;
  readonly signal: AbortSignal;
}

/** Takes a request of the server, and a function that answers it: once, for as long as the call is open. */
export type OnAsk = (message: JsonObject, answer: (said: JsonObject) => void) => Promise<void>;

const HANDSHAKE_MS = 20_000;
const STOP_MS = 2_000;
const STDERR_LINE = 8_192;
/** Of what the server said last before it ended, characters. */
const LAST_WORDS = 200;
/** Requests of the server in one call that nobody has answered yet. */
const MOST_ASKED = 64;
/** What may wait in the pipe for a server that does not read. Bytes. */
const MAX_UNREAD = 33_554_432;

export class McpProcess {
  /** Resolves after the handshake with what the server answered to it. @throws Refusal CORDON-9010; the process is ended then */
  readonly ready: Promise<JsonObject>;
  readonly #options: McpProcessOptions;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<number, Waiting>();
  readonly #gone = Promise.withResolvers<void>();
  #nextId = 1;
  #ended = false;
  /** How the process ended and what it said last on its standard error; for operators, never for a caller. attacker-controlled */
  #end = '';
  #lastWords = '';

  constructor(options: McpProcessOptions) {
    this.#options = options;
    const [file, ...args] = options.command;
    this.#child = spawn(file, args, { cwd: options.cwd, env: options.env, stdio: 'pipe' });
    this.#listen();
    this.ready = this.#handshake();
  }

  /** Nothing more can be asked of it. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Asks the server. @throws Refusal CORDON-9010 when it ends, or why the signal was aborted; then the server is told too */
  request({ method, params, onNotification, onAsk, signal }: McpProcessRequest): Promise<RpcOutcome> {
    if (signal.aborted) return Promise.reject(abortReason(signal));
    if (this.#ended) return Promise.reject(this.#died());
    if (this.#child.stdin.writableLength > MAX_UNREAD) return Promise.reject(this.#broken('does not read'));
    const id = this.#nextId++;
    const { answerMs, health } = this.#options;
    const giveUp = (why: Refusal): void => {
      this.#write({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } });
      waiting.answer.reject(why);
    };
    const waiting = new Waiting({ onNotification, onAsk }, answerMs, () => {
      health.failed();
      giveUp(this.#broken('does not answer', `nothing for ${answerMs} ms`));
    });
    const onAbort = (): void => giveUp(abortReason(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    this.#waiting.set(id, waiting);
    const meta = onNotification === undefined ? {} : { _meta: { progressToken: id } };
    this.#write({ jsonrpc: '2.0', id, method, params: { ...params, ...meta } });
    return waiting.answer.promise.finally(() => {
      signal.removeEventListener('abort', onAbort);
      waiting.done();
      this.#waiting.delete(id);
      for (const left of waiting.asked) this.#refuse(left, 'the call has ended');
    });
  }

  /** Asks the process to end, and ends it when it does not. Resolves when it is gone. */
  async stop(): Promise<void> {
    this.#child.stdin.end();
    this.#child.kill('SIGTERM');
    await within(STOP_MS, this.#gone.promise);
    this.#child.kill('SIGKILL');
    await within(STOP_MS, this.#gone.promise);
  }

  #listen(): void {
    const { stdin, stdout, stderr } = this.#child;
    this.#child.once('error', (error) => this.#fail(error.message));
    this.#child.once('close', (code, signal) => this.#fail(signal === null ? `exit code ${code}` : `ended by ${signal}`));
    stdin.on('error', () => this.#child.kill()); // a pipe that broke: the server is dead or wants to be
    const { bounds, onStderr } = this.#options;
    const onErrorLine = (line: Buffer): void => {
      this.#lastWords = wordsOf(line);
      onStderr(line.toString('utf8'));
    };
    readLines(stdout, { maxBytes: bounds.maxBytes, onLine: (line) => this.#onLine(line), onTooLong: () => this.#child.kill() });
    // of its diagnostics a longer line is of no use to anyone
    const lines = createFlow<Buffer>(() => performance.now());
    const onLine = (line: Buffer): void => lines.take(line, onErrorLine);
    readLines(stderr, { maxBytes: STDERR_LINE, onLine, onTooLong: () => undefined });
  }

  #fail(how: string): void {
    this.#ended = true;
    if (this.#end === '') this.#end = how;
    this.#gone.resolve();
    if (this.#waiting.size > 0) this.#options.health.failed();
    for (const { answer } of this.#waiting.values()) answer.reject(this.#died());
  }

  async #handshake(): Promise<JsonObject> {
    const { asks } = this.#options;
    const capabilities = Object.fromEntries(asks.map((name) => [name, {}]));
    const params = { protocolVersion: LEGACY, capabilities, clientInfo: { ...this.#options.client } };
    try {
      const outcome = await this.request({ method: 'initialize', params, signal: AbortSignal.timeout(HANDSHAKE_MS) });
      if ('error' in outcome) throw this.#broken('refuses `initialize`');
      this.#write({ jsonrpc: '2.0', method: 'notifications/initialized' });
      return outcome.result;
    } catch (error) {
      this.#ended = true;
      void this.stop(); // never rejects; whoever waits for `ready` need not wait for the end too
      throw error;
    }
  }

  #write(message: JsonObject): void {
    if (!this.#child.stdin.writableEnded) this.#child.stdin.write(`${writeJson(message)}\n`);
  }

  #onLine(line: Buffer): void {
    let message: Json;
    try {
      message = parseJson(line, this.#options.bounds);
    } catch {
      this.#child.kill(); // a server that does not speak JSON is not talked to again
      return;
    }
    if (!isJsonObject(message)) return;
    if (message['method'] === undefined) this.#onAnswer(message);
    else this.#onServerMessage(message);
  }

  #onAnswer(message: JsonObject): void {
    const { id } = message;
    const waiting = typeof id === 'number' ? this.#waiting.get(id) : undefined;
    if (waiting === undefined || typeof id !== 'number') return;
    this.#options.health.answered();
    try {
      waiting.answer.resolve(outcomeOf(message, id, 200));
    } catch (error) {
      waiting.answer.reject(asRefusal(error, 'CORDON-9010', 'the MCP server answers another request'));
    }
  }

  /** Progress goes to the call that asked. */
  #onServerMessage(message: JsonObject): void {
    const { id, params } = message;
    if (isRpcId(id)) {
      this.#onAsked(id, message);
      return;
    }
    const token = isJsonObject(params) ? params['progressToken'] : undefined;
    const waiting = typeof token === 'number' ? this.#waiting.get(token) : undefined;
    if (isNotification(message)) waiting?.tell(message);
  }

  /** One process serves all callers, and says of nothing that it asks whom it asks: it may ask while one call alone is open. */
  #onAsked(id: RpcId, message: JsonObject): void {
    if (message['method'] === 'ping') {
      this.#write({ jsonrpc: '2.0', id, result: {} });
      return;
    }
    const [only, ...others] = this.#waiting.values();
    if (only?.onAsk === undefined) return this.#refuse(id, 'nobody is there who could be asked');
    if (others.length > 0) return this.#refuse(id, 'more than one call is open, and nothing says which one asks');
    if (only.asked.has(id) || only.asked.size >= MOST_ASKED) return this.#refuse(id, 'asked too often');
    only.asked.add(id);
    only.rest();
    const answer = (said: JsonObject): void => {
      only.rest();
      if (only.asked.delete(id)) this.#write({ jsonrpc: '2.0', id, ...said });
    };
    only.onAsk(message, answer).catch(() => answer(refusal('the caller cannot be asked')));
  }

  #refuse(id: RpcId, why: string): void {
    this.#write({ jsonrpc: '2.0', id, ...refusal(why) });
  }

  #died(): Refusal {
    const said = this.#lastWords === '' ? '' : `, it said: ${this.#lastWords}`;
    return this.#broken('ended', this.#end === '' ? undefined : `${this.#end}${said}`);
  }

  #broken(how: string, observed?: string): Refusal {
    const fix = `run the command of \`${this.#options.name}\` by hand, in the directory of cordon.yaml, and mend what it says`;
    return new Refusal('CORDON-9010', `the MCP server \`${this.#options.name}\` ${how}`, observed === undefined ? {} : { observed, fix });
  }
}

const refusal = (message: string): JsonObject => ({ error: { code: -32_601, message } });

const wordsOf = (line: Buffer): string =>
  line
    .toString('utf8')
    .replaceAll(/[\p{C}\s]+/gu, ' ')
    .trim()
    .slice(0, LAST_WORDS);

interface Hearing {
  readonly onNotification: OnNotification | undefined;
  readonly onAsk: OnAsk | undefined;
}

/** One request of ours that has no answer yet. */
class Waiting {
  readonly answer = Promise.withResolvers<RpcOutcome>();
  readonly onAsk: OnAsk | undefined;
  /** Requests of the server that its caller has not answered, by the server's own ids. */
  readonly asked = new Set<RpcId>();
  readonly #onNotification: OnNotification | undefined;
  readonly #timer: NodeJS.Timeout;
  #busy = false;

  constructor({ onNotification, onAsk }: Hearing, ms: number, onLate: () => void) {
    this.#onNotification = onNotification;
    this.onAsk = onAsk;
    this.#timer = setTimeout(onLate, ms).unref();
  }

  /** Something was said: the time until the next word begins anew. */
  rest(): void {
    this.#timer.refresh();
  }

  done(): void {
    clearTimeout(this.#timer);
  }

  /** Hands a notification on. One pipe serves all calls, so a slow caller cannot hold it up: what comes meanwhile is left out. */
  tell(message: JsonObject): void {
    this.#timer.refresh();
    if (this.#onNotification === undefined || this.#busy) return;
    this.#busy = true;
    const free = (): void => {
      this.#busy = false;
    };
    this.#onNotification(message).then(free, free); // a caller that is gone ends its call by the signal
  }
}
