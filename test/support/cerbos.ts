// A real Cerbos 0.55.0 as a remote PDP: a resource policy in a directory, its HTTP port on loopback. 100 MB, so it is no dependency:
// `npm install --no-save @cerbos/cerbos-linux-x64@0.55.0`, or CORDON_CERBOS names the program.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freePorts } from './bed.ts';

const INSTALLED = resolve(import.meta.dirname, '../../node_modules/@cerbos/cerbos-linux-x64/cerbos-linux-x64');
const PROGRAM = process.env['CORDON_CERBOS'] ?? INSTALLED;

/** Why there is no Cerbos; undefined when there is one. */
export const missingCerbos = (): string | undefined =>
  existsSync(PROGRAM) ? undefined : `no Cerbos at ${PROGRAM}: npm install --no-save @cerbos/cerbos-linux-x64@0.55.0, or set CORDON_CERBOS`;

export interface Cerbos {
  readonly url: URL;
  /** SIGKILL: it is gone when this resolves. */
  kill(): Promise<void>;
  close(): Promise<void>;
}

/** `condition`: in CEL, of the principal `P` and the resource `R`, for `tools/call` on a `tool`. */
export async function startCerbos(condition: string): Promise<Cerbos> {
  const dir = await mkdtemp(join(tmpdir(), 'cordon-cerbos-'));
  const [http = 0, grpc = 0] = await freePorts(2);
  await writeFile(join(dir, 'tool.yaml'), policyOf(condition));
  await writeFile(join(dir, 'cerbos.conf'), configOf(dir, http, grpc));
  const child = spawn(PROGRAM, ['server', '--config', join(dir, 'cerbos.conf'), '--log-level', 'error'], { stdio: 'ignore' });
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  const close = async (): Promise<void> => {
    await kill();
    await rm(dir, { recursive: true, force: true });
  };
  await until(child, `http://127.0.0.1:${http}/.well-known/authzen-configuration`).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  return { url: new URL(`http://127.0.0.1:${http}`), kill, close };
}

const policyOf = (condition: string): string => `apiVersion: api.cerbos.dev/v1
resourcePolicy:
  version: default
  resource: tool
  rules:
    - actions: ["tools/call"]
      effect: EFFECT_ALLOW
      roles: ["*"]
      condition: { match: { expr: ${JSON.stringify(condition)} } }
`;

const configOf = (dir: string, http: number, grpc: number): string => `server:
  httpListenAddr: "127.0.0.1:${http}"
  grpcListenAddr: "127.0.0.1:${grpc}"
storage: { driver: disk, disk: { directory: ${dir} } }
telemetry: { disabled: true }
`;

const TRIES = 400;
const PAUSE_MS = 25;

async function until(child: ChildProcess, url: string): Promise<void> {
  for (let tries = 0; tries < TRIES && child.exitCode === null; tries++) {
    const answered = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
    if (answered) return;
    await new Promise((wake) => {
      setTimeout(wake, PAUSE_MS);
    });
  }
  throw new Error('Cerbos did not start');
}
