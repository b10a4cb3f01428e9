// A stdio MCP server towards a client, streamable HTTP to the gateway: each line of the client is one POST, each answer one line. What the
// client says is handed on as it is, for the gateway to judge; nothing is kept between two messages but which of them are under way.
// Standards: MCP 2025-11-25 and 2026-07-28, transports. attacker-controlled: the lines, and what comes back
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { CODES, isCode } from '../domain/codes.ts';
import { isJsonObject, parseJson, writeJson, type Json, type JsonObject } from '../domain/json.ts';
import { errorTextOf, Refusal } from '../domain/refusal.ts';
import { readLines } from '../gateway/lines.ts';
import { encodeHeader, META_VERSION, MODERN, namedIn } from '../gateway/mcp-headers.ts';
import { readSse } from '../gateway/reply-body.ts';

export interface BridgeParts {
  readonly input: Readable;
  readonly output: Writable;
  readonly url: URL;
  /** To the gateway, as the run that this is for. */
  readonly fetch: typeof globalThis.fetch;
  /** What has no place in the protocol: a notification that was refused. */
  readonly onNotice: (line: string) => void;
  /** Ends all that is under way. */
  readonly signal: AbortSignal;
}

/** Of one message, either way. */
const BOUNDS = { maxBytes: 16_777_216, maxDepth: 64 };
/** Messages under way at once; more wait in the pipe. */
const MOST_UNDER_WAY = 64;

type RpcId = string | number;

interface Message {
  readonly json: JsonObject;
  /** Absent in a notification. */
  readonly id: RpcId | undefined;
  readonly method: string;
}

/** Resolves when the client has closed its end and all that it asked is answered. */
export async function bridge(parts: BridgeParts): Promise<void> {
  const { input, signal } = parts;
  const client = new Bridge(parts);
  readLines(input, {
    maxBytes: BOUNDS.maxBytes,
    onLine: (line) => client.take(line),
    onTooLong: () => client.refuse(null, -32_600, `a message is longer than ${String(BOUNDS.maxBytes)} bytes`),
  });
  await once(input, 'end', { signal }).catch(() => undefined);
  await client.settled();
  input.destroy();
}

class Bridge {
  readonly #parts: BridgeParts;
  readonly #underWay = new Set<Promise<void>>();
  /** Requests of the client that are not answered yet, by their id as it is written. */
  readonly #asked = new Map<string, AbortController>();
  /** What `initialize` agreed on; later messages name it. */
  #version: string | undefined;

  constructor(parts: BridgeParts) {
    this.#parts = parts;
  }

  take(line: Buffer): void {
    const work = this.#carry(line).finally(() => {
      this.#underWay.delete(work);
      if (this.#underWay.size < MOST_UNDER_WAY) this.#parts.input.resume();
    });
    this.#underWay.add(work);
    if (this.#underWay.size >= MOST_UNDER_WAY) this.#parts.input.pause();
  }

  refuse(id: RpcId | null, code: number, message: string, data?: JsonObject): void {
    void this.#write({ jsonrpc: '2.0', id, error: { code, message, ...(data === undefined ? {} : { data }) } });
  }

  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  /** Never rejects: whatever goes wrong is the answer. */
  async #carry(line: Buffer): Promise<void> {
    let json: Json;
    try {
      json = parseJson(line, BOUNDS);
    } catch (error) {
      this.refuse(null, -32_700, errorTextOf(error));
      return;
    }
    if (!isJsonObject(json)) return this.refuse(null, -32_600, 'one JSON-RPC message a line');
    const { id, method } = json;
    if (method === undefined) return; // an answer: the gateway asks nothing of a client
    if (typeof method !== 'string') return this.refuse(isRpcId(id) ? id : null, -32_600, '`method` is no text');
    const message: Message = { json, id: isRpcId(id) ? id : undefined, method };
    if (method === 'notifications/cancelled') this.#cancel(json);
    await this.#ask(message);
  }

  /** Closing the stream is how 2026-07-28 cancels; to an older session the notification goes on as well. */
  #cancel({ params }: JsonObject): void {
    const id = isJsonObject(params) ? params['requestId'] : undefined;
    if (isRpcId(id)) this.#asked.get(JSON.stringify(id))?.abort(CANCELLED);
  }

  async #ask(message: Message): Promise<void> {
    const { id, method } = message;
    const abort = new AbortController();
    const signal = AbortSignal.any([this.#parts.signal, abort.signal]);
    const key = JSON.stringify(id);
    if (id !== undefined) this.#asked.set(key, abort);
    try {
      await this.#handBack(message, await this.#post(message, signal));
    } catch (error) {
      if (abort.signal.aborted) return; // nobody waits for the answer any more
      const why = `Cordon cannot be reached: ${error instanceof Refusal ? error.message : errorTextOf(innermost(error))}`;
      if (id === undefined) this.#parts.onNotice(`${method}: ${why}`);
      else this.refuse(id, -32_603, why);
    } finally {
      if (this.#asked.get(key) === abort) this.#asked.delete(key);
    }
  }

  #post({ json, method }: Message, signal: AbortSignal): Promise<Response> {
    const params = isJsonObject(json['params']) ? json['params'] : {};
    const meta = isJsonObject(params['_meta']) ? params['_meta'][META_VERSION] : undefined;
    const version = typeof meta === 'string' ? meta : this.#version;
    const name = namedIn(method, params);
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(version === undefined || method === 'initialize' ? {} : { 'mcp-protocol-version': encodeHeader(version) }),
      ...(version === MODERN ? { 'mcp-method': encodeHeader(method) } : {}),
      ...(version === MODERN && name !== undefined ? { 'mcp-name': encodeHeader(name) } : {}),
    };
    return this.#parts.fetch(this.#parts.url, { method: 'POST', headers, body: writeJson(json), signal });
  }

  async #handBack(message: Message, response: Response): Promise<void> {
    const type = (response.headers.get('content-type') ?? '').split(';', 1)[0];
    if (type === 'text/event-stream' && response.body !== null) {
      for await (const event of readSse(response.body, BOUNDS)) await this.#write(event);
      return;
    }
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (bytes.byteLength === 0 && response.ok) return;
    const json = parseJson(bytes, BOUNDS);
    if (isJsonObject(json) && json['jsonrpc'] === '2.0') await this.#answer(message, json);
    else this.#refused(message, json, response.status);
  }

  async #answer({ id, method }: Message, json: JsonObject): Promise<void> {
    const agreed = method === 'initialize' && isJsonObject(json['result']) ? json['result']['protocolVersion'] : undefined;
    if (typeof agreed === 'string') this.#version = agreed;
    if (id !== undefined) return this.#write(json);
    const { message } = isJsonObject(json['error']) ? json['error'] : {};
    if (typeof message === 'string') this.#parts.onNotice(`${method}: ${message}`);
  }

  /** The gateway says no in HTTP's own form (RFC 9457) where a call is not known to the caller. */
  #refused({ id, method }: Message, json: Json, status: number): void {
    const { code, decision_id: decision } = isJsonObject(json) ? json : {};
    const known = typeof code === 'string' && isCode(code) ? code : undefined;
    const text = known === undefined ? (UNSAID[status] ?? `HTTP status ${String(status)}`) : `${known} ${CODES[known].title}`;
    if (id === undefined) this.#parts.onNotice(`${method}: ${text}`);
    else
      this.refuse(id, -32_603, text, {
        ...(known === undefined ? {} : { code: known }),
        ...(typeof decision === 'string' ? { decision_id: decision } : {}),
      });
  }

  /** One line; a client that does not read holds up what is read for it. */
  async #write(message: JsonObject): Promise<void> {
    const { output, signal } = this.#parts;
    if (!output.write(`${writeJson(message)}\n`)) await once(output, 'drain', { signal }).catch(() => undefined);
  }
}

/** Where the gateway says no more than that: nothing is learned of what a caller may not know. */
const UNSAID: Readonly<Record<number, string>> = { 404: 'no server of this name is there for this agent' };

const CANCELLED = new Error('cancelled by the client');

const isRpcId = (id: unknown): id is RpcId => typeof id === 'string' || typeof id === 'number';

/** `fetch failed` says nothing; its cause does. */
const innermost = (error: unknown): unknown => (error instanceof Error && error.cause instanceof Error ? innermost(error.cause) : error);
