// Real clients of the Workload API as processes: go-spiffe, the Python packages spiffe and spiffe-tls, and Debian's gRPC. `.ci/run` makes
// them; by hand:
//   (cd conformance/clients/go && go build -o ../../../.ci/peers/spiffe-go .)
//   python3 -m venv .ci/peers/spiffe-python && .ci/peers/spiffe-python/bin/pip install -r conformance/clients/python/requirements.txt
//   apt-get install python3-grpcio
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const ROOT = join(import.meta.dirname, '../..');
const GO = join(ROOT, '.ci/peers/spiffe-go');
const PYTHON = join(ROOT, '.ci/peers/spiffe-python/bin/python');
const SCRIPTS = join(ROOT, 'conformance/clients/python');
/** Debian's, whatever stands first on the path. */
const DEBIAN_PYTHON = '/usr/bin/python3';

export const CLIENTS = {
  go: [GO],
  python: [PYTHON, join(SCRIPTS, 'client.py')],
} as const;
export type ClientName = keyof typeof CLIENTS;

export const HEADERS = [DEBIAN_PYTHON, join(SCRIPTS, 'headers.py')] as const;

/** Why tests with it cannot run here; never with CI=true, where it must be there. */
export function missing(name: ClientName | 'debian'): string | undefined {
  const there = name === 'debian' ? spawnSync(DEBIAN_PYTHON, ['-c', 'import grpc']).status === 0 : existsSync(CLIENTS[name][0]);
  if (there) return undefined;
  const reason = `no client \`${name}\` here: see test/support/spiffe-clients.ts`;
  if (process.env['CI'] === 'true') throw new Error(reason);
  return reason;
}

export type Line = Readonly<Record<string, unknown>>;

export interface RunningClient {
  /** The next line that fits, of those that were not taken. Rejects when the client ends first. */
  line(event: string, fits?: (line: Line) => boolean): Promise<Line>;
  readonly child: ChildProcess;
  stop(): Promise<void>;
}

/** Starts a client on a socket of the Workload API. */
export function startClient(name: ClientName, socket: string, ...args: readonly string[]): RunningClient {
  const [file, ...first] = CLIENTS[name];
  const child = spawn(file, [...first, ...args], {
    stdio: ['pipe', 'pipe', process.env['CORDON_CLIENT_LOG'] === undefined ? 'ignore' : 'inherit'],
    env: { ...process.env, SPIFFE_ENDPOINT_SOCKET: `unix://${socket}` },
  });
  const seen: Line[] = [];
  let ended = false;
  let wake = (): void => undefined;
  const closed = once(child, 'close');
  child.once('close', () => {
    ended = true;
    wake();
  });
  createInterface({ input: child.stdout }).on('line', (text) => {
    seen.push(JSON.parse(text) as Line);
    wake();
  });
  return {
    child,
    async line(event, fits = () => true) {
      for (;;) {
        const at = seen.findIndex((line) => line['event'] === event && fits(line));
        const [found] = at < 0 ? [] : seen.splice(at, 1);
        if (found !== undefined) return found;
        if (ended) throw new Error(`${name} ended without \`${event}\`: ${JSON.stringify(seen)}`);
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    async stop() {
      child.stdin.end();
      await closed;
    },
  };
}
