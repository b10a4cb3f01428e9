// A real A2A agent of the official SDK that answers with who it was told is calling; to `work` with a task that goes on until it is cancelled.
import express from 'express';
import { Role, TaskState, type AgentCard, type Message, type Task } from '@a2a-js/sdk';
import { AgentEvent, DefaultRequestHandler, InMemoryTaskStore, type AgentExecutor } from '@a2a-js/sdk/server';
import { agentCardHandler, jsonRpcHandler, restHandler, type UserBuilder } from '@a2a-js/sdk/server/express';
import { fetch, ProxyAgent, type RequestInit } from 'undici';
import { connect } from '../../src/sdk/index.ts';

/** `binding`: the one that it speaks. `push`: how it reaches the gateway to deliver push notifications. */
const [port = '0', binding = 'JSONRPC', push = 'direct'] = process.argv.slice(2);

const card = {
  name: 'callee',
  description: 'answers',
  version: '1',
  supportedInterfaces: [{ url: `https://127.0.0.1:${port}/a2a`, protocolBinding: binding, protocolVersion: '1.0', tenant: '' }],
  capabilities: { streaming: true, pushNotifications: true, extensions: [], extendedAgentCard: true },
  securitySchemes: {},
  securityRequirements: [],
  defaultInputModes: ['text'],
  defaultOutputModes: ['text'],
  skills: [],
  signatures: [],
} as unknown as AgentCard;

const textOf = (message: Message): string =>
  message.parts.map((part) => (part.content?.$case === 'text' ? part.content.value : '')).join('');

const statusOf = (state: TaskState): NonNullable<Task['status']> => ({ state, message: undefined, timestamp: undefined });
const working = new Map<string, () => void>();

/** Resolves when the task is cancelled. */
const work: AgentExecutor['execute'] = async ({ taskId: id, contextId }, bus) => {
  bus.publish(
    AgentEvent.task({ id, contextId, status: statusOf(TaskState.TASK_STATE_WORKING), artifacts: [], history: [], metadata: undefined }),
  );
  await new Promise<void>((cancelled) => working.set(id, cancelled));
  bus.publish(AgentEvent.statusUpdate({ taskId: id, contextId, status: statusOf(TaskState.TASK_STATE_CANCELED), metadata: undefined }));
  bus.finished();
};

const executor: AgentExecutor = {
  execute: async (context, bus) => {
    if (textOf(context.userMessage) === 'work') return work(context, bus);
    const reply: Message = {
      messageId: 'reply',
      role: Role.ROLE_AGENT,
      contextId: context.contextId,
      taskId: '',
      parts: [
        { content: { $case: 'text', value: `heard: ${textOf(context.userMessage)}` }, metadata: undefined, filename: '', mediaType: '' },
      ],
      metadata: undefined,
      extensions: [],
      referenceTaskIds: [],
    };
    bus.publish(AgentEvent.message(reply));
    bus.finished();
  },
  cancelTask: async (id) => working.get(id)?.(),
};

const extended = { ...card, description: 'has more to say to those it knows' };
const handler = new DefaultRequestHandler(card, new InMemoryTaskStore(), executor, undefined, undefined, undefined, extended);
/** Whom the gateway speaks of; to the SDK all are one. */
const whoIsTold: UserBuilder = (req) =>
  Promise.resolve({ isAuthenticated: req.headers['txn-token'] !== undefined, userName: 'a caller of the gateway' });

const cordon = await connect();
// with which the SDK delivers push notifications: by mTLS, or as programs do that know of a proxy alone
const dispatcher = push === 'proxy' ? new ProxyAgent((await cordon.proxy()).url) : undefined;
globalThis.fetch =
  dispatcher === undefined
    ? cordon.fetch
    : (((url: string, init: RequestInit) => fetch(url, { ...init, dispatcher })) as unknown as typeof globalThis.fetch);

const app = express();
app.use('/.well-known/agent-card.json', agentCardHandler({ agentCardProvider: handler }));
app.use('/a2a', (binding === 'JSONRPC' ? jsonRpcHandler : restHandler)({ requestHandler: handler, userBuilder: whoIsTold }));

await cordon.serve(app, { host: '127.0.0.1', port: Number(port) });
process.stdout.write('ready\n');
process.stdin.resume();
process.stdin.once('end', () => process.exit(0));
