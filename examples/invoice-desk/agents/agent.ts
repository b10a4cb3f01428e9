// An agent's process: an A2A server on the official SDK that answers one message at a time, and commands on stdin.
import type { RequestListener } from 'node:http';
import express from 'express';
import { Role, type AgentCard } from '@a2a-js/sdk';
import { AgentEvent, DefaultRequestHandler, InMemoryTaskStore, type AgentExecutor } from '@a2a-js/sdk/server';
import { agentCardHandler, jsonRpcHandler, UserBuilder } from '@a2a-js/sdk/server/express';
import { emit, obeyStdin, oneLine, type Commands } from '../events.ts';
import { messageOf, textOf } from '../peers/a2a.ts';
import type { Wire } from '../wire.ts';

export interface Agent {
  readonly name: string;
  readonly description: string;
  /** Answers one message. */
  answer(text: string): Promise<string>;
  readonly commands: Commands;
  /** Once it can be reached. */
  start?(): void;
  close(): Promise<void>;
}

/** Runs until told to stop. */
export async function runAgent(agent: Agent, wire: Wire): Promise<void> {
  let listener: RequestListener = (_, res) => res.writeHead(503).end();
  const served = await wire.serve((req, res) => listener(req, res));
  listener = a2aListener(agent, served.url);
  emit({ at: agent.name, event: 'ready', url: served.url.href });
  agent.start?.();
  await obeyStdin(agent.name, agent.commands, async () => {
    await agent.close();
    await served.close();
    await wire.close();
  });
}

function a2aListener(agent: Agent, url: URL): RequestListener {
  const handler = new DefaultRequestHandler(cardOf(agent, url), new InMemoryTaskStore(), executorOf(agent));
  const app = express().disable('x-powered-by');
  app.use('/.well-known/agent-card.json', agentCardHandler({ agentCardProvider: handler }));
  app.use('/', jsonRpcHandler({ requestHandler: handler, userBuilder: UserBuilder.noAuthentication }));
  return app;
}

/** One message after another: an agent has one train of thought. */
function executorOf(agent: Agent): AgentExecutor {
  let queue: Promise<unknown> = Promise.resolve();
  return {
    execute: async ({ userMessage, contextId }, bus) => {
      const answered = queue.then(() => agent.answer(textOf(userMessage.parts)));
      queue = answered.catch(() => undefined);
      const text = await answered.catch((error: unknown) => {
        const said = oneLine(String(error));
        emit({ at: agent.name, event: 'error', ok: false, text: said });
        return `Failed: ${said}`;
      });
      bus.publish(AgentEvent.message(messageOf(Role.ROLE_AGENT, text, contextId)));
      bus.finished();
    },
    cancelTask: () => Promise.resolve(),
  };
}

const cardOf = ({ name, description }: Agent, url: URL): AgentCard => ({
  name,
  description,
  provider: undefined,
  version: '1.0.0',
  supportedInterfaces: [{ url: url.href, protocolBinding: 'JSONRPC', protocolVersion: '1.0', tenant: '' }],
  capabilities: { streaming: false, pushNotifications: false, extensions: [] },
  securitySchemes: {},
  securityRequirements: [],
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['text/plain'],
  skills: [],
  signatures: [],
});
