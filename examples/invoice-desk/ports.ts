// Free loopback ports, one for each process.
import { createServer } from 'node:net';
import { DEFAULT_PORTS, type ProcessName } from './processes.ts';

/** Below the range that outgoing connections take their ports from, so that none is taken before its process starts. */
const FIRST = 20_000;
const COUNT = 10_000;

export const freePorts = async (): Promise<Record<ProcessName, number>> => ({
  ...DEFAULT_PORTS,
  ...(await freePortsFor(Object.keys(DEFAULT_PORTS))),
});

export async function freePortsFor(names: readonly string[]): Promise<Record<string, number>> {
  const taken = new Set<number>();
  const ports: Record<string, number> = {};
  for (const name of names) ports[name] = await freePort(taken);
  return ports;
}

async function freePort(taken: Set<number>): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (taken.has(port) || !(await isFree(port))) continue;
    taken.add(port);
    return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const free = await new Promise<boolean>((answer) => {
    server.once('error', () => answer(false));
    server.listen(port, '127.0.0.1', () => answer(true));
  });
  await new Promise<void>((closed) => server.close(() => closed()));
  return free;
}
