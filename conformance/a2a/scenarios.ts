// What a client of the official SDK does with an agent, and what it gets: each row answers with all that the client saw.
import {
  type Message,
  type Part,
  Role,
  type SendMessageRequest,
  type StreamResponse,
  type Task,
  type TaskPushNotificationConfig,
  TaskState,
} from '@a2a-js/sdk';
import type { Client } from '@a2a-js/sdk/client';

const part = (value: string): Part => ({ content: { $case: 'text', value }, metadata: undefined, filename: '', mediaType: '' });

interface Wanted {
  readonly returnImmediately?: boolean;
  readonly webhook?: TaskPushNotificationConfig;
}

const said = (value: string, more: Partial<Message> = {}, { returnImmediately = false, webhook }: Wanted = {}): SendMessageRequest => ({
  tenant: '',
  message: {
    messageId: `asked ${value.slice(0, 16)}`,
    contextId: '',
    taskId: '',
    role: Role.ROLE_USER,
    parts: [part(value)],
    metadata: undefined,
    extensions: [],
    referenceTaskIds: [],
    ...more,
  },
  configuration: { acceptedOutputModes: [], taskPushNotificationConfig: webhook, historyLength: undefined, returnImmediately },
  metadata: undefined,
});

async function all(events: AsyncIterable<StreamResponse>): Promise<readonly StreamResponse[]> {
  const seen: StreamResponse[] = [];
  for await (const event of events) seen.push(event);
  return seen;
}

const taskOf = (answer: Message | Task): Task => {
  if (!('status' in answer)) throw new Error('the agent answered without a task');
  return answer;
};
const begun = async (client: Client, word: string, webhook?: TaskPushNotificationConfig): Promise<Task> =>
  taskOf(await client.sendMessage(said(word, {}, { returnImmediately: true, ...(webhook === undefined ? {} : { webhook }) })));
const hookAt = (url: string, taskId = ''): TaskPushNotificationConfig => ({
  tenant: '',
  id: 'own',
  taskId,
  url,
  token: '',
  authentication: undefined,
});
const endHeard = async (hook: string, id: string): Promise<unknown> =>
  (
    await fetch(
      `${hook}?${new URLSearchParams([
        ['with', id],
        ['with', 'CANCELED'],
      ]).toString()}`,
    )
  ).json();
const hooksOf = (client: Client, taskId: string): Promise<unknown> =>
  client.listTaskPushNotificationConfig({ tenant: '', taskId, pageSize: 0, pageToken: '' });
const read = (client: Client, id: string, historyLength?: number): Promise<Task> => client.getTask({ tenant: '', id, historyLength });
const cancel = (client: Client, id: string): Promise<Task> => client.cancelTask({ tenant: '', id, metadata: undefined });

/** What an error is to whoever writes `catch`: its class. */
async function refused(work: Promise<unknown>): Promise<unknown> {
  try {
    return { answered: await work };
  } catch (error) {
    return error instanceof Error ? { refused: error.name } : { refused: String(error) };
  }
}

/** `hook`: of `hooks.ts`. */
export const SCENARIOS: Readonly<Record<string, (client: Client, hook: string) => Promise<unknown>>> = {
  'a message is answered by a message': (client) => client.sendMessage(said('hello')),
  'a message is answered by a stream with one message': (client) => all(client.sendMessageStream(said('hello'))),
  'text in many scripts, with every kind of white space': (client) =>
    client.sendMessage(said('grüße \u{1f600} 漢字 עברית \u0000 \u2028 "\\" <b>\n\t end')),
  'a text of 100,000 characters': (client) => client.sendMessage(said('x'.repeat(100_000))),
  'several parts': (client) => client.sendMessage(said('', { parts: [part('one'), part('two'), part('')] })),
  'data and a file': (client) =>
    client.sendMessage(
      said('', {
        parts: [
          { ...part(''), content: { $case: 'data', value: { amount: 1.5, nested: [{ a: null }, true], text: 'ü' } } },
          {
            ...part(''),
            content: { $case: 'raw', value: Buffer.from([0, 1, 254, 255]) },
            filename: 'a.bin',
            mediaType: 'application/octet-stream',
          },
        ],
      }),
    ),
  'a task that is waited for': (client) => client.sendMessage(said('work a')),
  'a task that fails': (client) => client.sendMessage(said('fail')),
  'a task, streamed to its end': (client) => all(client.sendMessageStream(said('work b'))),
  'a task, read afterwards': async (client) => {
    const { id } = taskOf(await client.sendMessage(said('work c')));
    return [await read(client, id), await read(client, id, 0), await read(client, id, 1)];
  },
  'a task that asks, and is answered': async (client) => {
    const { id: taskId, contextId } = taskOf(await client.sendMessage(said('ask')));
    return [await client.sendMessage(said('this', { taskId, contextId })), await read(client, taskId)];
  },
  'a task that asks, and is answered with a stream': async (client) => {
    const { id: taskId, contextId } = taskOf(await client.sendMessage(said('ask')));
    return all(client.sendMessageStream(said('that', { taskId, contextId })));
  },
  'two tasks in a context that the agent chose': async (client) => {
    const { contextId } = taskOf(await client.sendMessage(said('work d')));
    return [{ contextId }, await client.sendMessage(said('work e', { contextId }))];
  },
  'a context that the client chose': (client) => client.sendMessage(said('work f', { contextId: 'a trip' })),
  'tasks of a context, listed': async (client) => {
    const { contextId } = taskOf(await client.sendMessage(said('work g')));
    await client.sendMessage(said('ask', { contextId }));
    const list = (state: TaskState): Promise<unknown> =>
      client.listTasks({
        tenant: '',
        contextId,
        status: state,
        pageSize: 10,
        pageToken: '',
        historyLength: 0,
        statusTimestampAfter: undefined,
        includeArtifacts: true,
      });
    return [
      await list(TaskState.TASK_STATE_COMPLETED),
      await list(TaskState.TASK_STATE_INPUT_REQUIRED),
      await list(TaskState.TASK_STATE_FAILED),
    ];
  },
  'a task is cancelled': async (client) => {
    const { id } = await begun(client, 'wait');
    return [await cancel(client, id), await read(client, id)];
  },
  'a task is followed until it is cancelled': async (client) => {
    const { id } = await begun(client, 'wait');
    const seen: StreamResponse[] = [];
    for await (const event of client.resubscribeTask({ tenant: '', id })) {
      if (seen.push(event) === 1) await cancel(client, id);
    }
    return seen;
  },
  'a task that is over is not cancelled': async (client) => {
    const { id } = taskOf(await client.sendMessage(said('work h')));
    return refused(cancel(client, id));
  },
  'a task that is over is not gone on with': async (client) => {
    const { id: taskId, contextId } = taskOf(await client.sendMessage(said('work i')));
    return refused(client.sendMessage(said('more', { taskId, contextId })));
  },
  'a task that is over is not followed': async (client) => {
    const { id } = taskOf(await client.sendMessage(said('work j')));
    return refused(all(client.resubscribeTask({ tenant: '', id })));
  },
  'a task that is not there is not read': (client) => refused(read(client, 'nothing')),
  'a task that is not there is not cancelled': (client) => refused(cancel(client, 'nothing')),
  'a task that is not there is not followed': (client) => refused(all(client.resubscribeTask({ tenant: '', id: 'nothing' }))),
  'a webhook in a message hears of its task': async (client, hook) => {
    const { id } = await begun(client, 'wait', hookAt(hook));
    const listed = await hooksOf(client, id);
    return [listed, await cancel(client, id), await endHeard(hook, id)];
  },
  'a webhook of a task is made, read, heard, and deleted': async (client, hook) => {
    const { id: taskId } = await begun(client, 'wait');
    const made = await client.createTaskPushNotificationConfig(hookAt(hook, taskId));
    const [one, listed] = [await client.getTaskPushNotificationConfig({ tenant: '', taskId, id: 'own' }), await hooksOf(client, taskId)];
    await cancel(client, taskId);
    const heard = await endHeard(hook, taskId);
    await client.deleteTaskPushNotificationConfig({ tenant: '', taskId, id: 'own' });
    return [made, one, listed, heard, await hooksOf(client, taskId)];
  },
  'a webhook of a task that is not there': (client, hook) => refused(client.createTaskPushNotificationConfig(hookAt(hook, 'nothing'))),
  'a task that is not there is not gone on with': (client) => refused(client.sendMessage(said('more', { taskId: 'nothing' }))),
};
