// The MCP server that the official suite is run against, on the official SDK: one factory for both revisions. 2026-07-28 is stateless; for
// 2025-11-25 each session is a server of its own, with streams in both directions.
import { randomUUID } from 'node:crypto';
import {
  acceptedContent,
  completable,
  createRequestStateCodec,
  fromJsonSchema,
  inputRequired,
  inputResponse,
  McpServer,
  ResourceTemplate,
  type CallToolResult,
  type ContentBlock,
  type PromptMessage,
  type ServerContext,
  type ServerNotifier,
} from '@modelcontextprotocol/server';
import * as z from 'zod';

const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
const WAV = 'UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=';
const CONDITIONS = new Map<string, object>([
  ['if', { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] }],
  ['then', { required: ['phone'] }],
  ['else', { required: ['email'] }],
]);
const SCHEMA_2020: object = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: {
    address: { $anchor: 'addressDef', type: 'object', properties: { street: { type: 'string' }, city: { type: 'string' } } },
  },
  properties: {
    name: { type: 'string' },
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: { type: 'string' },
    email: { type: 'string' },
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  ...Object.fromEntries(CONDITIONS),
  additionalProperties: false,
};

const HEADER_SCHEMA: object = {
  type: 'object',
  properties: { region: { type: 'string', 'x-mcp-header': 'Region' }, priority: { type: 'integer', 'x-mcp-header': 'Priority' } },
};

const state = createRequestStateCodec<{ readonly step: number }>({ key: Buffer.from(randomUUID() + randomUUID()) });
const text = (said: string): CallToolResult => ({ content: [{ type: 'text', text: said }] });
const image = { type: 'image', data: PNG, mimeType: 'image/png' } as const;
/** In 2026-07-28 only whoever asks for logs gets them. */
async function logInfo({ mcpReq }: ServerContext, data: string): Promise<void> {
  const envelope: Readonly<Record<string, unknown>> | undefined = mcpReq.envelope;
  if (envelope !== undefined && envelope['io.modelcontextprotocol/logLevel'] === undefined) return;
  await mcpReq.notify({ method: 'notifications/message', params: { level: 'info', data } });
}
const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));
type Wanted = ReturnType<typeof inputRequired.elicit>;
const ask = (message: string, name: string, type: 'string' | 'boolean' = 'string'): Wanted =>
  inputRequired.elicit({
    message,
    requestedSchema: { type: 'object', properties: { [name]: type === 'string' ? { type } : { type } }, required: [name] },
  });
const sample = (said: string, maxTokens: number): ReturnType<typeof inputRequired.createMessage> =>
  inputRequired.createMessage({ messages: [{ role: 'user', content: { type: 'text', text: said } }], maxTokens });

/** Says that lists changed, to whoever listens. */
export type Changed = Pick<ServerNotifier, 'toolsChanged' | 'promptsChanged'>;

export function everything(changed: Changed): McpServer {
  const server = new McpServer(
    { name: 'everything', version: '1.0.0' },
    {
      capabilities: {
        logging: {},
        completions: {},
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
      },
      requestState: { verify: (sealed: string, ctx: ServerContext) => state.verify(sealed, ctx) },
      instructions: 'Everything that the conformance suite asks for.',
    },
  );
  contents(server);
  // a list of tools is the same in both revisions: it is pinned
  asking(server);
  requiring(server);
  probes(server, changed);
  prompts(server);
  resources(server);
  return server;
}

/** Tools that answer at once, log, or report progress. */
function contents(server: McpServer): void {
  const tool = (name: string, run: (ctx: ServerContext) => CallToolResult | Promise<CallToolResult>): void =>
    void server.registerTool(name, { description: `The tool ${name} of the suite` }, (ctx: ServerContext) => run(ctx));
  tool('test_simple_text', () => text('This is a simple text response for testing.'));
  tool('test_image_content', () => ({ content: [image] }));
  tool('test_audio_content', () => ({ content: [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }] }));
  const embedded = { uri: 'test://embedded-resource', mimeType: 'text/plain', text: 'This is an embedded resource content.' };
  tool('test_embedded_resource', () => ({ content: [{ type: 'resource', resource: embedded }] }));
  const mixed = { uri: 'test://mixed-content-resource', mimeType: 'application/json', text: '{"test":"data","value":123}' };
  tool('test_multiple_content_types', () => ({
    content: [{ type: 'text', text: 'Multiple content types test:' }, image, { type: 'resource', resource: mixed }],
  }));
  tool('test_reconnection', () => text('still there'));
  tool('test_error_handling', () => {
    throw new Error('This tool intentionally returns an error for testing');
  });
  tool('test_tool_with_logging', async (ctx) => {
    await logInfo(ctx, 'Tool execution started');
    await pause(50);
    await logInfo(ctx, 'Tool processing data');
    await pause(50);
    await logInfo(ctx, 'Tool execution completed');
    return text('logged');
  });
  tool('test_tool_with_progress', async (ctx) => {
    const progressToken = ctx.mcpReq._meta?.progressToken;
    for (const progress of [0, 50, 100]) {
      if (progressToken !== undefined)
        await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
      await pause(50);
    }
    return text(String(progressToken));
  });
  server.registerTool(
    'json_schema_2020_12_tool',
    { description: 'Tool with JSON Schema 2020-12 features', inputSchema: fromJsonSchema(SCHEMA_2020) },
    () => text('valid'),
  );
  server.registerTool(
    'test_custom_header',
    {
      description: 'A tool whose parameters travel in headers too',
      inputSchema: fromJsonSchema(HEADER_SCHEMA),
    },
    (args: unknown) => text(JSON.stringify(args)),
  );
}

/** Tools of 2025-11-25 that ask the client in the middle of a call. */
function asking(server: McpServer): void {
  server.registerTool(
    'test_sampling',
    { description: 'Asks for sampling', inputSchema: z.object({ prompt: z.string() }) },
    async ({ prompt }, ctx) => {
      const { content } = await ctx.mcpReq.send({
        method: 'sampling/createMessage',
        params: {
          messages: [{ role: 'user', content: { type: 'text', text: prompt } }],
          maxTokens: 100,
        },
      });
      const [first] = Array.isArray(content) ? content : [content];
      return text(`LLM response: ${first?.type === 'text' ? first.text : ''}`);
    },
  );
  const elicits = (name: string, said: (args: { readonly message?: string | undefined }) => string, requestedSchema: object): void =>
    void server.registerTool(
      name,
      { description: 'Asks the user', inputSchema: z.object({ message: z.string().optional() }) },
      async (args, ctx) => {
        const { action, content } = await ctx.mcpReq.send({
          method: 'elicitation/create',
          params: { message: said(args), requestedSchema },
        });
        const verb = name === 'test_elicitation' ? 'User response' : 'Elicitation completed';
        return text(`${verb}: action=${action}, content=${JSON.stringify(content ?? {})}`);
      },
    );
  elicits('test_elicitation', ({ message = '' }) => message, {
    type: 'object',
    properties: {
      username: { type: 'string', description: "User's response" },
      email: { type: 'string', description: "User's email address" },
    },
    required: ['username', 'email'],
  });
  elicits('test_elicitation_sep1034_defaults', () => 'Defaults', {
    type: 'object',
    properties: {
      name: { type: 'string', default: 'John Doe' },
      age: { type: 'integer', default: 30 },
      score: { type: 'number', default: 95.5 },
      status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
      verified: { type: 'boolean', default: true },
    },
  });
  const [a, b, c] = ['First', 'Second', 'Third'];
  elicits('test_elicitation_sep1330_enums', () => 'Enums', {
    type: 'object',
    properties: {
      untitledSingle: { type: 'string', enum: ['option1', 'option2', 'option3'] },
      titledSingle: { type: 'string', oneOf: [a, b, c].map((nth, at) => ({ const: `value${at + 1}`, title: `${nth} Option` })) },
      legacyEnum: { type: 'string', enum: ['opt1', 'opt2', 'opt3'], enumNames: ['Option One', 'Option Two', 'Option Three'] },
      untitledMulti: { type: 'array', items: { type: 'string', enum: ['option1', 'option2', 'option3'] } },
      titledMulti: { type: 'array', items: { anyOf: [a, b, c].map((nth, at) => ({ const: `value${at + 1}`, title: `${nth} Choice` })) } },
    },
  });
}

/** Tools of 2026-07-28 that need more, and say so in their result. */
function requiring(server: McpServer): void {
  type Answers = Readonly<Record<string, unknown>> | undefined;
  const tool = (
    name: string,
    run: (ctx: ServerContext, answers: Answers) => Promise<CallToolResult | ReturnType<typeof inputRequired>>,
  ): void =>
    void server.registerTool(name, { description: `The tool ${name} of the suite` }, (ctx: ServerContext) =>
      run(ctx, ctx.mcpReq.inputResponses),
    );
  tool('test_input_required_result_elicitation', async (_ctx, answers) => {
    const { name } = acceptedContent<{ name?: unknown }>(answers, 'user_name') ?? {};
    return typeof name === 'string'
      ? text(`Hello, ${name}!`)
      : inputRequired({ inputRequests: { user_name: ask('What is your name?', 'name') } });
  });
  tool('test_input_required_result_sampling', async (_ctx, answers) => {
    const found = inputResponse(answers, 'capital_question');
    if (found.kind !== 'sampling')
      return inputRequired({ inputRequests: { capital_question: sample('What is the capital of France?', 100) } });
    const { content } = found.result;
    const [first] = Array.isArray(content) ? content : [content];
    return text(first?.type === 'text' ? first.text : '');
  });
  tool('test_input_required_result_list_roots', async (_ctx, answers) => {
    const found = inputResponse(answers, 'client_roots');
    if (found.kind !== 'roots') return inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } });
    return text(found.roots.map(({ uri }) => uri).join(' '));
  });
  tool('test_input_required_result_request_state', async (ctx, answers) => {
    if (ctx.mcpReq.requestState<{ step: number }>()?.step === 1 && acceptedContent(answers, 'confirm') !== undefined)
      return text('state-ok');
    return inputRequired({
      inputRequests: { confirm: ask('Please confirm', 'ok', 'boolean') },
      requestState: await state.mint({ step: 1 }),
    });
  });
  tool('test_input_required_result_tampered_state', async (ctx, answers) => {
    if (ctx.mcpReq.requestState<{ step: number }>()?.step === 1 && acceptedContent(answers, 'confirm') !== undefined)
      return text('state-ok');
    return inputRequired({
      inputRequests: { confirm: ask('Please confirm', 'ok', 'boolean') },
      requestState: await state.mint({ step: 1 }),
    });
  });
  tool('test_input_required_result_multiple_inputs', async (_ctx, answers) => {
    const all = ['user_name', 'greeting', 'client_roots'].every((key) => inputResponse(answers, key).kind !== 'missing');
    if (all) return text('all there');
    return inputRequired({
      inputRequests: {
        user_name: ask('What is your name?', 'name'),
        greeting: sample('Generate a greeting', 50),
        client_roots: inputRequired.listRoots(),
      },
      requestState: await state.mint({ step: 1 }),
    });
  });
  tool('test_input_required_result_multi_round', async (ctx, answers) => {
    const step = ctx.mcpReq.requestState<{ step: number }>()?.step ?? 0;
    if (step === 2 && acceptedContent(answers, 'step2') !== undefined) return text('both answered');
    if (step === 1 && acceptedContent(answers, 'step1') !== undefined)
      return inputRequired({
        inputRequests: { step2: ask('Step 2: What is your favorite color?', 'color') },
        requestState: await state.mint({ step: 2 }),
      });
    return inputRequired({
      inputRequests: { step1: ask('Step 1: What is your name?', 'name') },
      requestState: await state.mint({ step: 1 }),
    });
  });
  tool('test_input_required_result_capabilities', async (ctx) => {
    const envelope = (ctx.mcpReq.envelope ?? {}) as Readonly<Record<string, object | undefined>>;
    const able = (envelope['io.modelcontextprotocol/clientCapabilities'] ?? {}) as Readonly<Record<string, unknown>>;
    return inputRequired({
      inputRequests: {
        ...(able['elicitation'] === undefined ? {} : { name: ask('What is your name?', 'name') }),
        ...(able['sampling'] === undefined ? {} : { greeting: sample('Generate a greeting', 50) }),
      },
    });
  });
}

/** Probes of what a stateless server must not do (SEP-2575). */
function probes(server: McpServer, changed: Changed): void {
  const tool = (
    name: string,
    run: (ctx: ServerContext) => CallToolResult | Promise<CallToolResult | ReturnType<typeof inputRequired>>,
  ): void => void server.registerTool(name, { description: `The probe ${name} of the suite` }, (ctx: ServerContext) => run(ctx));
  tool('test_missing_capability', async () => inputRequired({ inputRequests: { greeting: sample('Generate a greeting', 50) } }));
  tool('test_streaming_elicitation', async () => inputRequired({ inputRequests: { name: ask('What is your name?', 'name') } }));
  tool('test_logging_tool', async (ctx) => {
    await logInfo(ctx, 'only for who asked for it');
    return text('logged');
  });
  tool('test_trigger_tool_change', () => {
    changed.toolsChanged();
    return text('changed');
  });
  tool('test_trigger_prompt_change', () => {
    changed.promptsChanged();
    return text('changed');
  });
}

function prompts(server: McpServer): void {
  const user = (content: ContentBlock): PromptMessage => ({ role: 'user', content });
  const said = (words: string): PromptMessage => user({ type: 'text', text: words });
  server.registerPrompt('test_simple_prompt', { description: 'A simple prompt' }, () => ({
    messages: [said('This is a simple prompt for testing.')],
  }));
  const twoArgs = z.object({ arg1: completable(z.string(), () => ['paris', 'park', 'party']), arg2: z.string() });
  server.registerPrompt('test_prompt_with_arguments', { description: 'Two arguments', argsSchema: twoArgs }, ({ arg1, arg2 }) => ({
    messages: [said(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)],
  }));
  server.registerPrompt(
    'test_prompt_with_embedded_resource',
    { description: 'Embeds a resource', argsSchema: z.object({ resourceUri: z.string() }) },
    ({ resourceUri: uri }) => ({
      messages: [
        user({ type: 'resource', resource: { uri, mimeType: 'text/plain', text: 'Embedded resource content for testing.' } }),
        said('Please process the embedded resource above.'),
      ],
    }),
  );
  server.registerPrompt('test_prompt_with_image', { description: 'With an image' }, () => ({
    messages: [user(image), said('Please analyze the image above.')],
  }));
  server.registerPrompt('test_input_required_result_prompt', { description: 'Asks first' }, (ctx: ServerContext) => {
    const { context } = acceptedContent<{ context?: unknown }>(ctx.mcpReq.inputResponses, 'user_context') ?? {};
    if (typeof context === 'string') return { messages: [said(context)] };
    return inputRequired({ inputRequests: { user_context: ask('What context should the prompt use?', 'context') } });
  });
}

function resources(server: McpServer): void {
  const read = (uri: string, more: object) => () => ({ contents: [{ uri, ...more }] as never });
  const add = (name: string, uri: string, mimeType: string, more: object): void =>
    void server.registerResource(
      name,
      uri,
      { description: `The resource ${name} of the suite`, mimeType },
      read(uri, { mimeType, ...more }),
    );
  add('static-text', 'test://static-text', 'text/plain', { text: 'This is the content of the static text resource.' });
  add('static-binary', 'test://static-binary', 'image/png', { blob: PNG });
  add('watched', 'test://watched-resource', 'text/plain', { text: 'Watched.' });
  const template = new ResourceTemplate('test://template/{id}/data', { list: undefined });
  server.registerResource('template', template, { description: 'By id', mimeType: 'application/json' }, (uri, { id }) => ({
    contents: [
      { uri: uri.href, mimeType: 'application/json', text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${String(id)}` }) },
    ],
  }));
  server.server.setRequestHandler('resources/subscribe', () => ({}));
  server.server.setRequestHandler('resources/unsubscribe', () => ({}));
}
