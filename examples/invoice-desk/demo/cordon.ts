// Cordon as the demo starts it: the same `cordon up` that anyone would type, as a process of its own, from the desk's cordon.yaml.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import * as z from 'zod';
import { read } from './answers.ts';

const UpLine = z.object({ event: z.string().optional() });
const LAUNCHER = join(import.meta.dirname, '../../../src/cli/main.ts');
const STOP_MS = 10_000;

export interface CordonUp {
  readonly stop: () => Promise<void>;
}

/** Starts `cordon up` and waits for its word that it listens. @throws Error with what it said when it ends instead */
export async function cordonUp(configFile: string, dataDir: string, env: Readonly<Record<string, string>>): Promise<CordonUp> {
  const child = spawn(process.execPath, [LAUNCHER, 'up', '--config', configFile, '--data', dataDir, '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  const said: string[] = [];
  child.stderr.on('data', (data: Buffer) => said.push(data.toString()));
  const listening = new Promise<void>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (read(UpLine, line).event === 'listening') resolve();
    });
  });
  const ended = once(child, 'exit').then(() => {
    throw new Error(`cordon up ended: ${said.join('').trim().slice(0, 1000)}`);
  });
  ended.catch(() => undefined);
  await Promise.race([listening, ended]);
  return { stop: () => stopChild(child) };
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await gone;
  clearTimeout(timer);
}
