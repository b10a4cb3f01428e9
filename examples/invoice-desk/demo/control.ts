// An operator of the demo's Cordon: the control API over mTLS, with the credentials that `cordon up` left for its own machine.
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { request, type Agent, type Dispatcher } from 'undici';
import type { DecisionRecord, Explanation } from '../../../src/domain/access.ts';
import { createAgent } from '../../../src/sdk/channel.ts';

export type SeenDecision = DecisionRecord & { readonly seq: number; readonly explanation: Explanation | null };

export interface Operator {
  readonly call: <T>(method: 'GET' | 'POST', path: string, body?: object) => Promise<T>;
  /** Calls `onDecision` for each decision from now on. @returns stops */
  readonly watch: (onDecision: (decision: SeenDecision) => void) => Promise<() => void>;
  readonly close: () => Promise<void>;
}

interface Credentials {
  readonly chain: string;
  readonly privateKey: string;
  readonly bundle: string;
  readonly control: string;
}

export async function operatorOf(dataDir: string): Promise<Operator> {
  const own = JSON.parse(await readFile(join(dataDir, 'operator', 'credentials.json'), 'utf8')) as Credentials;
  const agent = createAgent({ bundle: own.bundle, expect: 'control', own });
  return {
    call: async <T>(method: 'GET' | 'POST', path: string, body?: object): Promise<T> => {
      const response = await ask(agent, own, method, path, body);
      const answer = await response.body.text();
      if (response.statusCode !== 200) throw new Error(`${method} ${path}: ${response.statusCode} ${answer.slice(0, 300)}`);
      return JSON.parse(answer) as T;
    },
    watch: async (onDecision) => {
      const response = await ask(agent, own, 'GET', '/v1/decisions/watch');
      response.body.on('error', () => undefined); // ends with the demo
      const lines = createInterface({ input: response.body });
      lines.on('line', (line) => onDecision(JSON.parse(line) as SeenDecision));
      lines.on('error', () => undefined);
      return () => response.body.destroy();
    },
    close: () => agent.destroy(),
  };
}

const ask = (agent: Agent, own: Credentials, method: 'GET' | 'POST', path: string, body?: object): Promise<Dispatcher.ResponseData> =>
  request(new URL(path, own.control), {
    method,
    dispatcher: agent,
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
