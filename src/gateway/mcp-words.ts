// What messages of MCP and JSON-RPC are told apart by.

/** 2026-07-28 is stateless with `_meta` and mirrored headers; 2025-11-25 and older have the `initialize` handshake. */
export type McpEra = 'modern' | 'legacy';

/** JSON-RPC 2.0 §4: what the caller named its request. */
export type RpcId = string | number;

/** What is agreed with a server over HTTP; `id` only when an older server gave one. */
export interface McpSession {
  readonly era: McpEra;
  readonly id: string | undefined;
  /** Does the server answer with streams of events? */
  readonly streams?: boolean;
  /** Of a server over stdio: what the caller can be asked. */
  readonly able?: readonly string[];
}
