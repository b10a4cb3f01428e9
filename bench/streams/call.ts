// A call whose answer stays open: MCP 2026-07-28 `tools/call` that asks for its progress, byte for byte the same for every subject.
import type { JsonObject } from '../../src/domain/json.ts';
import { payment } from '../desks.ts';
import { PATH, TOOL } from '../gateway/call.ts';

const VERSION = '2026-07-28';

/** The whole request of HTTP/1.1. */
export function streamRequestOf(id: number): string {
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': VERSION,
    'io.modelcontextprotocol/clientCapabilities': {},
    progressToken: id,
  };
  const body = JSON.stringify({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name: TOOL, arguments: payment(4200, id), _meta },
  });
  const head = [
    `POST ${PATH} HTTP/1.1`,
    'host: 127.0.0.1',
    'content-type: application/json',
    'accept: application/json, text/event-stream',
    `mcp-protocol-version: ${VERSION}`,
    'mcp-method: tools/call',
    `mcp-name: ${TOOL}`,
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

/** One event: what the tool has come to. */
export const eventOf = (progressToken: unknown, progress: number): string => {
  const params = { progressToken, progress } as JsonObject;
  return `event: message\ndata: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params })}\n\n`;
};

/** Milliseconds of a clock that all processes of a machine share. */
export const sharedNow = (): number => Number(process.hrtime.bigint()) / 1e6;

/** CPU of this process so far, milliseconds. */
export const ownCpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
