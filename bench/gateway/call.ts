// The call that is measured, byte for byte the same for every subject: MCP 2026-07-28 `tools/call`, about 1 KB of body.
import { isJsonObject, type JsonObject } from '../../src/domain/json.ts';
import { payment } from '../desks.ts';

export const PATH = '/mcp/bench';
export const TOOL = 'pay_invoice';
const VERSION = '2026-07-28';
const META = { 'io.modelcontextprotocol/protocolVersion': VERSION, 'io.modelcontextprotocol/clientCapabilities': {} };

/** The whole request of HTTP/1.1, with a task token. `id` also names the invoice, so an answer to another call cannot pass for this one's. */
export function requestOf(id: number, token: string): string {
  const params = { name: TOOL, arguments: payment(4200, id), _meta: META };
  const body = JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params });
  const head = [
    `POST ${PATH} HTTP/1.1`,
    'host: 127.0.0.1',
    `authorization: Bearer ${token}`,
    'content-type: application/json',
    'accept: application/json, text/event-stream',
    `mcp-protocol-version: ${VERSION}`,
    'mcp-method: tools/call',
    `mcp-name: ${TOOL}`,
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

/** What the tool says, about 250 bytes as a JSON-RPC answer. */
export const resultOf = (invoice: string): JsonObject => ({
  resultType: 'complete',
  content: [{ type: 'text', text: `paid ${invoice}: 42.00 EUR to Acme, value date 2026-11-23, reference ${invoice}` }],
  structuredContent: { invoice, state: 'paid', amount_cents: 4200 },
  isError: false,
});

/** Is this the answer to call `id`, from the tool itself? A denial is a result too, and is not. */
export function checkAnswer(status: number, body: string, id: number): void {
  const answer = JSON.parse(body) as JsonObject;
  const { result } = answer;
  const content = isJsonObject(result) ? result['structuredContent'] : undefined;
  const paid = isJsonObject(content) ? content['invoice'] : undefined;
  if (status === 200 && answer['id'] === id && paid === `INV-2026-${id}`) return;
  throw new Error(`a call was not answered as it should be: status ${status}, ${body.slice(0, 300)}`);
}
