// What real MCP servers answer to `tools/list`: the official filesystem server over stdio and those of the invoice desk over HTTP, each
// a process of its own that is started, asked by the official client and stopped.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Client, StreamableHTTPClientTransport, type Transport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { type DeskProcess, processes } from '../../examples/invoice-desk/processes.ts';
import { inboxServer } from '../../examples/invoice-desk/wire.ts';
import { isJsonObject, type JsonObject, parseJson } from '../../src/domain/json.ts';
import type { Tool } from '../../src/domain/registry.ts';

const API_KEY = 'tool-list';

export async function filesystemTools(): Promise<readonly Tool[]> {
  return withDirectory((directory) => {
    const [command = '', ...args] = inboxServer(directory);
    return listed(new StdioClientTransport({ command, args, stderr: 'ignore' }));
  });
}

/** By server: `ledger`, `mail`, `payroll`. */
export async function deskTools(): Promise<ReadonlyMap<string, readonly Tool[]>> {
  return withDirectory(async (stateDir) => {
    const servers = processes('unprotected', { stateDir, inboxDir: stateDir, ledgerApiKey: API_KEY }).filter(
      ({ kind }) => kind === 'resource',
    );
    return new Map(await Promise.all(servers.map(async (server) => [server.name, await toolsOf(server)] as const)));
  });
}

async function toolsOf({ command: [command = '', ...args], env }: DeskProcess): Promise<readonly Tool[]> {
  const child = spawn(command, args, { env: { ...env, DESK_LISTEN: '127.0.0.1:0' }, stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  try {
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const { value: line } = await lines.next();
    const ready: unknown = JSON.parse(String(line));
    assert.ok(typeof ready === 'object' && ready !== null && 'url' in ready && typeof ready.url === 'string');
    const requestInit = { headers: { authorization: `Bearer ${API_KEY}` } };
    return await listed(new StreamableHTTPClientTransport(new URL('/mcp', ready.url), { requestInit }));
  } finally {
    child.stdin.end();
    await exited;
  }
}

async function listed(transport: Transport): Promise<readonly Tool[]> {
  const client = new Client({ name: 'tool-lists', version: '1' });
  await client.connect(transport);
  try {
    const { tools } = await client.listTools();
    return tools.map((tool) => toolOf(onWire(tool)));
  } finally {
    await client.close();
  }
}

function toolOf(definition: JsonObject): Tool {
  const { name, inputSchema } = definition;
  assert.ok(typeof name === 'string' && inputSchema !== undefined && isJsonObject(inputSchema));
  return { name, inputSchema, definition };
}

function onWire(value: object): JsonObject {
  const json = parseJson(new TextEncoder().encode(JSON.stringify(value)), { maxBytes: 1_000_000, maxDepth: 64 });
  assert.ok(isJsonObject(json));
  return json;
}

async function withDirectory<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'cordon-tools-'));
  try {
    return await use(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
