// What came of a call, whatever the way it was answered: a tool result, a JSON-RPC error, problem details over HTTP, a broken connection.
import type { CallToolResult } from '@modelcontextprotocol/client';
import { oneLine } from '../events.ts';

export interface Outcome {
  readonly ok: boolean;
  /** What the callee answered, in full; for people, see `oneLine`. */
  readonly text: string;
  /** Structured content of a result. */
  readonly data?: Readonly<Record<string, unknown>> | undefined;
  /** Cordon's code and decision, when it was Cordon who said no. What is hidden has neither. */
  readonly code?: string | undefined;
  readonly decision?: string | undefined;
}

/** RFC 9457 problem details, or any answer that is no success, kept whole because the SDKs would drop its body. */
export class HttpAnswer extends Error {
  readonly status: number;
  readonly body: string;

  constructor(status: number, body: string) {
    super(`HTTP ${status}`);
    this.name = 'HttpAnswer';
    this.status = status;
    this.body = body;
  }
}

export function ofResult(result: CallToolResult): Outcome {
  const text = result.content.map((block) => (block.type === 'text' ? block.text : `(${block.type})`)).join('\n');
  const data = asRecord(result.structuredContent);
  return result.isError === true ? { ok: false, text, data, ...denialIn(data) } : { ok: true, text, data };
}

export function ofError(error: unknown): Outcome {
  return { ok: false, text: oneLine(sayError(error)), ...denialIn(error) };
}

interface Denial {
  readonly code?: string;
  readonly decision?: string;
}

const CODE = /^CORDON-\d{4}$/;
const DECISION = /^dec_\w+$/;

/** Looks for Cordon's code and decision wherever an SDK may have put the answer: data, cause, body, even the message. */
export function denialIn(value: unknown, depth = 0): Denial {
  if (depth > 8) return {};
  if (typeof value === 'string') return inText(value, depth);
  const fields = asRecord(value);
  if (fields === undefined) return {};
  const { code, decision_id: decision } = fields;
  if (typeof code === 'string' && CODE.test(code)) {
    return typeof decision === 'string' && DECISION.test(decision) ? { code, decision } : { code };
  }
  for (const inner of inside(value, fields)) {
    const found = denialIn(inner, depth + 1);
    if (found.code !== undefined) return found;
  }
  return {};
}

function inText(text: string, depth: number): Denial {
  const json = /\{[\s\S]*\}/.exec(text)?.[0];
  if (json !== undefined) {
    try {
      return denialIn(JSON.parse(json), depth + 1);
    } catch {
      return inProse(text);
    }
  }
  return inProse(text);
}

function inProse(text: string): Denial {
  const code = /\bCORDON-\d{4}\b/.exec(text)?.[0];
  const decision = /\bdec_\w+/.exec(text)?.[0];
  return code === undefined ? {} : { code, ...(decision === undefined ? {} : { decision }) };
}

/** Errors keep what matters in properties that are not enumerable. */
const inside = (value: unknown, fields: Readonly<Record<string, unknown>>): unknown[] =>
  value instanceof Error ? [...Object.values(fields), value.cause, value.message] : Object.values(fields);

const asRecord = (value: unknown): Record<string, unknown> | undefined =>
  typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : undefined;

function sayError(error: unknown): string {
  if (error instanceof HttpAnswer) return sayHttp(error.status, error.body);
  if (!(error instanceof Error)) return String(error);
  const { status, text } = { status: undefined, text: undefined, ...asRecord(asRecord(error)?.['data']) };
  if (typeof status === 'number') return sayHttp(status, typeof text === 'string' ? text : '');
  const cause = error.cause instanceof Error ? sayError(error.cause) : undefined;
  return cause === undefined || error.message.includes(cause) ? error.message || error.name : cause;
}

function sayHttp(status: number, body: string): string {
  try {
    const { title, detail, error } = {
      title: undefined,
      detail: undefined,
      error: undefined,
      ...asRecord(JSON.parse(body)),
    };
    const said = [title, detail, asRecord(error)?.['message']].filter((part) => typeof part === 'string').join(': ');
    return `HTTP ${status} ${said}`;
  } catch {
    return `HTTP ${status} ${body}`;
  }
}
