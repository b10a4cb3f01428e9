// An operator of the demo's Cordon: the control API over mTLS, with the credentials that `cordon up` left for its own machine.
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { request, type Agent, type Dispatcher } from 'undici';
import type * as z from 'zod';
import { createAgent } from '../../../src/sdk/channel.ts';
import { Credentials, Decision, read, type SeenDecision } from './answers.ts';

export interface Operator {
  readonly call: <T extends z.ZodType>(answer: T, method: 'GET' | 'POST', path: string, body?: object) => Promise<z.infer<T>>;
  /** Calls `onDecision` for each decision from now on. @returns stops */
  readonly watch: (onDecision: (decision: SeenDecision) => void) => Promise<() => void>;
  readonly close: () => Promise<void>;
}

export async function operatorOf(dataDir: string): Promise<Operator> {
  const own = read(Credentials, await readFile(join(dataDir, 'operator', 'credentials.json'), 'utf8'));
  const agent = createAgent({ bundle: own.bundle, expect: 'control', own });
  return {
    call: async (schema, method, path, body) => {
      const response = await ask(agent, own.control, method, path, body);
      const answer = await response.body.text();
      if (response.statusCode !== 200) throw new Error(`${method} ${path}: ${response.statusCode} ${answer.slice(0, 300)}`);
      return read(schema, answer);
    },
    watch: async (onDecision) => {
      const response = await ask(agent, own.control, 'GET', '/v1/decisions/watch');
      response.body.on('error', () => undefined); // ends with the demo
      const lines = createInterface({ input: response.body });
      lines.on('line', (line) => onDecision(read(Decision, line)));
      lines.on('error', () => undefined);
      return () => response.body.destroy();
    },
    close: () => agent.destroy(),
  };
}

const ask = (agent: Agent, control: string, method: 'GET' | 'POST', path: string, body?: object): Promise<Dispatcher.ResponseData> =>
  request(new URL(path, control), {
    method,
    dispatcher: agent,
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
