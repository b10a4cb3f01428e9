// A real A2A agent of the official SDK that answers with who it was told is calling.
import express from 'express';
import { Role, type AgentCard, type Message } from '@a2a-js/sdk';
import { AgentEvent, DefaultRequestHandler, InMemoryTaskStore, type AgentExecutor } from '@a2a-js/sdk/server';
import { UserBuilder, agentCardHandler, jsonRpcHandler } from '@a2a-js/sdk/server/express';
import { connect } from '../../src/sdk/index.ts';

const [port = '0'] = process.argv.slice(2);

const card = {
  name: 'callee',
  description: 'answers',
  version: '1',
  supportedInterfaces: [{ url: `https://127.0.0.1:${port}/a2a`, protocolBinding: 'JSONRPC', protocolVersion: '1.0', tenant: '' }],
  capabilities: { streaming: true, pushNotifications: false, extensions: [] },
  securitySchemes: {},
  securityRequirements: [],
  defaultInputModes: ['text'],
  defaultOutputModes: ['text'],
  skills: [],
  signatures: [],
} as unknown as AgentCard;

const textOf = (message: Message): string =>
  message.parts.map((part) => (part.content?.$case === 'text' ? part.content.value : '')).join('');

const executor: AgentExecutor = {
  execute: async (context, bus) => {
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
  cancelTask: async () => undefined,
};

const handler = new DefaultRequestHandler(card, new InMemoryTaskStore(), executor);
const app = express();
app.use('/.well-known/agent-card.json', agentCardHandler({ agentCardProvider: handler }));
app.use('/a2a', jsonRpcHandler({ requestHandler: handler, userBuilder: UserBuilder.noAuthentication }));

const cordon = await connect();
await cordon.serve(app, { host: '127.0.0.1', port: Number(port) });
process.stdout.write('ready\n');
process.stdin.resume();
process.stdin.once('end', () => process.exit(0));
