// An attack on the wire as a row of a table: where it is from, what is sent, what must come back, and the code under which the log has it.
import type { Code } from '../../src/domain/codes.ts';
import type { Heard } from './speak.ts';
import type { World } from './world.ts';

/** What the other end hears: a status, or that the connection was closed without an answer. */
export type Hears = number | 'closed';

export interface Attack {
  readonly id: string;
  /** CVE, advisory, section of a standard, paper. */
  readonly source: string;
  readonly send: (world: World) => Promise<Heard>;
  readonly hears: Hears;
  /** `undefined`: nothing that could be recorded was begun, as with bytes that are no TLS. */
  readonly code: Code | undefined;
  /** Its bytes, for other victims than the gateway. */
  readonly bytes?: string;
}

export type Class = readonly [name: string, attacks: readonly Attack[]];

/** Bytes on an authenticated connection. */
export const bytes = (id: string, source: string, sent: string, hears: Hears, code: Code | undefined): Attack => ({
  id,
  source,
  send: (world) => world.say(sent),
  hears,
  code,
  bytes: sent,
});

const BODY = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"x"}}}';

/** A call that is permitted: whatever else is sent with it, nothing but the attack can be why it is refused. */
export const GOOD = BODY;

export interface Head {
  readonly line?: string;
  readonly host?: string;
  readonly type?: string;
}

/** A request of these lines; each ends in CRLF unless it has its own end. Latin-1: one character is one byte. */
export function message(lines: readonly string[], body = '', { line, host, type }: Head = {}): string {
  const head = [line ?? 'POST /mcp/bench HTTP/1.1', host ?? 'Host: gateway.test', type ?? 'Content-Type: application/json', ...lines];
  return `${head.filter((each) => each !== '').join('\r\n')}\r\n\r\n${body}`;
}

const LATIN = 'latin1';
export const lengthOf = (body: string): string => `Content-Length: ${Buffer.byteLength(body, LATIN)}`;

/** A well-formed request with this body. `body`: Latin-1. */
export const post = (body: string, lines: readonly string[] = [], head: Head = {}): string =>
  message([lengthOf(body), ...lines], body, head);

/** UTF-8 as Latin-1, for bodies. */
export const utf8 = (text: string): string => Buffer.from(text).toString(LATIN);

/** One chunk and the last. */
export const chunked = (body: string): string => `${Buffer.byteLength(body, LATIN).toString(16)}\r\n${body}\r\n0\r\n\r\n`;
