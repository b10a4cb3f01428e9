// The agent of the suite: the official JavaScript SDK as a server, in both bindings, either behind Cordon or on plain loopback. What it does
// follows from the first word of a message.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type AgentCard, type Message, type Part, Role, type Task, TaskState } from '@a2a-js/sdk';
import { AgentEvent, type AgentExecutor, DefaultRequestHandler, InMemoryTaskStore } from '@a2a-js/sdk/server';
import { agentCardHandler, jsonRpcHandler, restHandler, UserBuilder } from '@a2a-js/sdk/server/express';
import express from 'express';
import { connect } from '../../src/sdk/index.ts';

/** `port`: 0 for any. `where`: `mesh`, answers the gateway alone; `plain`, whoever asks. */
const [port = '0', where = 'plain'] = process.argv.slice(2);

type Bus = Parameters<AgentExecutor['execute']>[1];
type Context = Parameters<AgentExecutor['execute']>[0];

const text = (value: string): Part => ({ content: { $case: 'text', value }, metadata: undefined, filename: '', mediaType: '' });
const status = (state: TaskState, said?: Message): NonNullable<Task['status']> => ({ state, message: said, timestamp: undefined });
const saying = ({ taskId, contextId }: Context, said: string): Message => ({
  messageId: `reply to ${said.slice(0, 8)}`,
  role: Role.ROLE_AGENT,
  contextId,
  taskId,
  parts: [text(said)],
  metadata: undefined,
  extensions: [],
  referenceTaskIds: [],
});

const begin = ({ taskId: id, contextId, userMessage }: Context, bus: Bus, state: TaskState): void =>
  bus.publish(AgentEvent.task({ id, contextId, status: status(state), artifacts: [], history: [userMessage], metadata: undefined }));
const update = (context: Context, bus: Bus, state: TaskState, said?: string): void => {
  const { taskId, contextId } = context;
  const message = said === undefined ? undefined : saying(context, said);
  bus.publish(AgentEvent.statusUpdate({ taskId, contextId, status: status(state, message), metadata: undefined }));
};
const artifact = ({ taskId, contextId }: Context, bus: Bus, said: string, more: { append: boolean; lastChunk: boolean }): void =>
  bus.publish(
    AgentEvent.artifactUpdate({
      taskId,
      contextId,
      artifact: {
        artifactId: 'report',
        name: 'report',
        description: 'what it came to',
        parts: [text(said)],
        metadata: undefined,
        extensions: [],
      },
      ...more,
      metadata: undefined,
    }),
  );

/** With members in order: protobuf sends those of a map in any. */
const sorted = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1)))
    : value;

const waiting = new Map<string, () => void>();

const DOES: Readonly<Record<string, (context: Context, bus: Bus, said: string) => Promise<void> | void>> = {
  work(context, bus, said) {
    begin(context, bus, TaskState.TASK_STATE_SUBMITTED);
    update(context, bus, TaskState.TASK_STATE_WORKING, 'begun');
    artifact(context, bus, `one of ${said}`, { append: false, lastChunk: false });
    artifact(context, bus, ', two', { append: true, lastChunk: true });
    update(context, bus, TaskState.TASK_STATE_COMPLETED);
  },
  ask(context, bus) {
    begin(context, bus, TaskState.TASK_STATE_INPUT_REQUIRED);
  },
  fail(context, bus) {
    begin(context, bus, TaskState.TASK_STATE_WORKING);
    update(context, bus, TaskState.TASK_STATE_FAILED, 'it broke');
  },
  async wait(context, bus) {
    begin(context, bus, TaskState.TASK_STATE_WORKING);
    await new Promise<void>((cancelled) => waiting.set(context.taskId, cancelled));
    update(context, bus, TaskState.TASK_STATE_CANCELED);
  },
};

const executor: AgentExecutor = {
  async execute(context, bus) {
    const said = context.userMessage.parts
      .map(({ content }) => (content?.$case === 'text' ? content.value : JSON.stringify(content, (_name, value) => sorted(value))))
      .join('|');
    const [word = ''] = said.split(' ', 1);
    if (context.task !== undefined) {
      bus.publish(AgentEvent.task(context.task)); // a stream of this SDK begins with a task or a message
      update(context, bus, TaskState.TASK_STATE_COMPLETED, `then: ${said}`);
    } else if (Object.hasOwn(DOES, word)) await DOES[word]?.(context, bus, said);
    else bus.publish(AgentEvent.message({ ...saying(context, said), taskId: '' }));
    bus.finished();
  },
  cancelTask: async (id) => waiting.get(id)?.(),
};

const server = createServer();
const interfaceOf = (url: string, protocolBinding: string): AgentCard['supportedInterfaces'][number] => ({
  url,
  protocolBinding,
  protocolVersion: '1.0',
  tenant: '',
});
const cardAt = (origin: string): AgentCard =>
  ({
    name: 'callee',
    description: 'does what the first word says',
    version: '1',
    supportedInterfaces: [interfaceOf(`${origin}/a2a`, 'JSONRPC'), interfaceOf(`${origin}/rest`, 'HTTP+JSON')],
    capabilities: { streaming: true, pushNotifications: true, extensions: [], extendedAgentCard: false },
    securitySchemes: {},
    securityRequirements: [],
    defaultInputModes: ['text/plain'],
    defaultOutputModes: ['text/plain'],
    skills: [
      {
        id: 'work',
        name: 'work',
        description: 'works',
        tags: ['a', 'b'],
        examples: [],
        inputModes: [],
        outputModes: [],
        securityRequirements: [],
      },
    ],
    signatures: [],
  }) as unknown as AgentCard;

function appOf(origin: string): express.Express {
  const handler = new DefaultRequestHandler(cardAt(origin), new InMemoryTaskStore(), executor);
  const app = express();
  app.use('/.well-known/agent-card.json', agentCardHandler({ agentCardProvider: handler }));
  app.use('/a2a', jsonRpcHandler({ requestHandler: handler, userBuilder: UserBuilder.noAuthentication }));
  app.use('/rest', restHandler({ requestHandler: handler, userBuilder: UserBuilder.noAuthentication }));
  return app;
}

if (where === 'mesh') {
  const cordon = await connect();
  globalThis.fetch = cordon.fetch; // with which the SDK delivers push notifications
  await cordon.serve(appOf(`https://127.0.0.1:${port}`), { host: '127.0.0.1', port: Number(port) });
  process.stdout.write('ready\n');
} else {
  server.listen(Number(port), '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  server.on('request', appOf(origin));
  process.stdout.write(`${origin}\n`);
}
process.stdin.resume();
process.stdin.once('end', () => process.exit(0));
