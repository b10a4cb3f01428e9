// A client of one MCP server, on the official SDK: connected when first used, and anew after any failure.
import { Client, StreamableHTTPClientTransport, type RequestOptions, type Tool, type Transport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import type { Fetch, Target } from '../wire.ts';
import { ofError, ofResult, type Outcome } from './outcome.ts';

const CALL_TIMEOUT_MS = 30_000;
const MAX_TIMEOUT_MS = 2 ** 31 - 1;
/** Time for an answer that is already here to be read before a stream that ended counts as cut. */
const GRACE_MS = 250;

export interface CallOptions {
  /** For a call that stays open: each progress notification; the call then has no timeout. */
  readonly onProgress?: (message: string) => void;
  /** The instant the answer's stream ended, for whatever reason. */
  readonly onStreamEnd?: () => void;
  readonly signal?: AbortSignal;
}

export interface McpPeer {
  listTools(): Promise<readonly Tool[]>;
  /** Never rejects: whatever happens is an outcome. */
  call(tool: string, args: Readonly<Record<string, unknown>>, options?: CallOptions): Promise<Outcome>;
  close(): Promise<void>;
}

export function mcpPeer(agent: string, target: () => Target | Promise<Target>): McpPeer {
  let client: Promise<Client> | undefined;
  let streamEnded: () => void = () => undefined;

  async function connect(): Promise<Client> {
    const to = await target();
    const isStdio = 'command' in to;
    const made = new Client({ name: agent, version: '1.0.0' }, isStdio ? {} : { versionNegotiation: { mode: 'auto' } });
    await made.connect(
      isStdio
        ? stdio(to.command)
        : http(
            to.url,
            tapped(to.fetch, () => streamEnded),
          ),
      { timeout: CALL_TIMEOUT_MS },
    );
    return made;
  }

  const connected = (): Promise<Client> => (client ??= connect());

  async function drop(): Promise<void> {
    const old = client;
    client = undefined;
    await old?.then((made) => made.close()).catch(() => undefined);
  }

  return {
    listTools: async () => {
      try {
        return (await (await connected()).listTools(undefined, { timeout: CALL_TIMEOUT_MS })).tools;
      } catch (error) {
        await drop();
        throw error;
      }
    },
    call: async (tool, args, options = {}) => {
      const cut = new AbortController();
      streamEnded = () => {
        options.onStreamEnd?.();
        setTimeout(() => cut.abort(new Error('the connection was cut')), GRACE_MS).unref();
      };
      try {
        const signal = AbortSignal.any([cut.signal, ...(options.signal === undefined ? [] : [options.signal])]);
        return ofResult(await (await connected()).callTool({ name: tool, arguments: { ...args } }, { ...patience(options), signal }));
      } catch (error) {
        await drop();
        return ofError(error);
      }
    },
    close: drop,
  };
}

function patience({ onProgress }: CallOptions): RequestOptions {
  if (onProgress === undefined) return { timeout: CALL_TIMEOUT_MS };
  return { timeout: MAX_TIMEOUT_MS, onprogress: ({ message = '' }) => onProgress(message) };
}

const http = (url: URL, fetch: Fetch): Transport =>
  new StreamableHTTPClientTransport(url, {
    fetch,
    reconnectionOptions: {
      maxRetries: 0,
      initialReconnectionDelay: 0,
      maxReconnectionDelay: 0,
      reconnectionDelayGrowFactor: 1,
    },
  });

const stdio = ([command = '', ...args]: readonly string[]): Transport => new StdioClientTransport({ command, args, stderr: 'ignore' });

/** Tells when the event stream of a call ends: the SDK does not fail a call whose stream is cut, it waits for the timeout. */
const tapped =
  (fetch: Fetch, callOfNow: () => () => void): Fetch =>
  async (url, init) => {
    const isCall = typeof init?.body === 'string' && init.body.includes('"tools/call"');
    const onEnd = isCall ? callOfNow() : (): void => undefined;
    const response = await fetch(url, init);
    if (response.body === null || response.headers.get('content-type')?.startsWith('text/event-stream') !== true) return response;
    const { status, statusText, headers } = response;
    return new Response(tap(response.body, onEnd), { status, statusText, headers: [...headers] });
  };

function tap(body: ReadableStream<Uint8Array<ArrayBuffer>>, onEnd: () => void): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader();
  return new ReadableStream({
    pull: async (controller) => {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        onEnd();
        controller.close();
      } catch (error) {
        onEnd();
        controller.error(error);
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
}
