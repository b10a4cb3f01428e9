// Resources, prompts and completions over the wire: the official client sees what it may use and nothing else, in both revisions.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { connect, type Cordon } from '../src/sdk/index.ts';
import { completed, prompted, readResource } from '../src/gateway/mcp-offered.ts';
import type { JsonObject } from '../src/domain/json.ts';
import { openBed, type Bed } from './support/bed.ts';
import { readLog, signedAll } from './support/log-reader.ts';

const POLICIES = `
@id("sessions")
permit (principal, action in Action::"mcp/session", resource);

@id("caller-reads-public")
permit (principal == Agent::"caller", action == Action::"resources/read", resource == Server::"bench")
when { context.input.uri like "bench://public/*" };

@id("caller-greets")
permit (principal == Agent::"caller", action == Action::"prompts/get", resource == Server::"bench")
when { context.input.name == "greet" };

@id("caller-completes")
permit (principal == Agent::"caller", action == Action::"completion/complete", resource == Server::"bench")
when { context.input.of == "resource" && context.input.name like "bench://public/*" };
`;

describe('what a server offers besides tools', () => {
  let bed: Bed;
  let cordon: Cordon;
  before(async () => {
    bed = await openBed({ policies: POLICIES });
    await bed.ready();
    const { json } = await bed.control('POST', '/v1/runs', { kind: 'agent', name: 'caller' });
    const [token, url, bundle] = ['token', 'identity_url', 'bundle'].map((name) => String(json[name]));
    cordon = await connect({ CORDON_JOIN_TOKEN: token, CORDON_IDENTITY_URL: url, CORDON_BUNDLE: bundle });
  });
  after(async () => {
    await (cordon as Cordon | undefined)?.close();
    await (bed as Bed | undefined)?.close();
  });

  for (const era of ['2025-11-25', '2026-07-28'] as const) {
    test(`[MCP-${era}] resources, templates and prompts are listed as far as they may be used, and used as far as they are permitted`, async () => {
      const client = new Client({ name: 'test', version: '1' }, era === '2025-11-25' ? {} : { versionNegotiation: { mode: { pin: era } } });
      await client.connect(new StreamableHTTPClientTransport(cordon.mcpUrl('bench'), { fetch: cordon.fetch }));
      assert.deepEqual(Object.keys(client.getServerCapabilities() ?? {}).toSorted(), ['completions', 'prompts', 'resources', 'tools']);
      assert.deepEqual(
        (await client.listResources()).resources.map(({ uri }) => uri),
        ['bench://public/notice'],
      );
      assert.deepEqual(
        (await client.listResourceTemplates()).resourceTemplates.map(({ name }) => name),
        ['news'],
      );
      assert.deepEqual(
        (await client.listPrompts()).prompts.map(({ name }) => name),
        ['greet'],
      );
      const { contents } = await client.readResource({ uri: 'bench://public/notice' });
      assert.deepEqual(
        contents.map((content) => ('text' in content ? content.text : '')),
        ['what notice says'],
      );
      const { messages } = await client.getPrompt({ name: 'greet', arguments: { whom: 'Zoë' } });
      assert.deepEqual(messages[0]?.content, { type: 'text', text: 'greet Zoë' });
      const ref = { type: 'ref/resource', uri: 'bench://public/news/{day}' } as const;
      const { completion } = await client.complete({ ref, argument: { name: 'day', value: 'm' } });
      assert.deepEqual(completion.values, ['monday']);
      const denied = await Promise.allSettled([
        client.readResource({ uri: 'bench://private/ledger' }),
        client.getPrompt({ name: 'order', arguments: { whom: 'x' } }),
        client.complete({ ref: { type: 'ref/resource', uri: 'bench://private/books/{day}' }, argument: { name: 'day', value: 'm' } }),
        client.complete({ ref: { type: 'ref/prompt', name: 'greet' }, argument: { name: 'whom', value: 'm' } }),
      ]);
      for (const one of denied) assert.match(one.status === 'rejected' ? String(one.reason) : 'permitted', /argument constraint/);
      await client.close();
    });
  }

  test('[I3] each is in the log with what it was decided on', async () => {
    await signedAll(bed);
    const { decisions } = await readLog(bed);
    const read = decisions.filter(({ action }) => action === 'resources/read');
    assert.deepEqual(new Set(read.map(({ verdict }) => verdict)), new Set(['allow', 'deny']));
  });
});

test('[I2] [I10] what goes on is made of what was decided on; anything else is left out or refused', () => {
  const sneaky = { uri: 'a:b', _meta: { x: 1 }, URI: 'c:d' };
  assert.deepEqual(readResource(sneaky), { input: { uri: 'a:b' }, params: { uri: 'a:b' } });
  assert.deepEqual(prompted({ name: 'p', arguments: { a: 'b' }, more: 1 }).params, { name: 'p', arguments: { a: 'b' } });
  const asked = {
    ref: { type: 'ref/prompt', name: 'p', uri: 'other:', title: 't' },
    argument: { name: 'a', value: '', x: 1 },
    context: { arguments: { b: 'c' }, y: 1 },
  };
  assert.deepEqual(completed(asked), {
    input: { of: 'prompt', name: 'p', argument: 'a', value: '' },
    params: { ref: { type: 'ref/prompt', name: 'p' }, argument: { name: 'a', value: '' }, context: { arguments: { b: 'c' } } },
  });
  const bad: readonly (readonly [(params: JsonObject) => unknown, JsonObject])[] = [
    [readResource, {}],
    [readResource, { uri: '' }],
    [readResource, { uri: 7 }],
    [readResource, { uri: 'a:\r\nMcp-Method: x' }],
    [readResource, { uri: 'a'.repeat(2_049) }],
    [prompted, { name: ['a'] }],
    [prompted, { name: 'p', arguments: { a: 1 } }],
    [prompted, { name: 'p', arguments: ['a'] }],
    [prompted, { name: 'p', arguments: { a: 'x'.repeat(16_385) } }],
    [prompted, { name: 'p', arguments: Object.fromEntries(Array.from({ length: 65 }, (_, at) => [`a${String(at)}`, ''])) }],
    [completed, { ref: { type: 'ref/tool', name: 'p' }, argument: { name: 'a', value: '' } }],
    [completed, { ref: { type: 'ref/resource', name: 'p' }, argument: { name: 'a', value: '' } }],
    [completed, { ref: { type: 'ref/prompt', name: 'p' }, argument: { name: 'a' } }],
    [completed, { ref: { type: 'ref/prompt', name: 'p' } }],
    [completed, { ref: { type: 'ref/prompt', name: 'p' }, argument: { name: 'a', value: '' }, context: { arguments: { a: {} } } }],
  ];
  for (const [read, params] of bad) assert.throws(() => read(params), { code: 'CORDON-9011' }, JSON.stringify(params).slice(0, 80));
});
