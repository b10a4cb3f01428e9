// Manifests drafted from tool lists that nobody has reviewed, held to general questions; and the Agent Security Bench, where every tool of
// an attack is foreign to the agent: one that passes is a bug.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { judge } from '../src/trust/facts.ts';
import { draftManifest, type Manifest, type ToolSchema } from '../src/trust/manifest.ts';
import { Session, draftManifests } from '../src/trust/session.ts';

const DATA = join(process.env['CORDON_SHARED'] ?? resolve(import.meta.dirname, '../../shared'), 'data');
const skip = existsSync(DATA) ? false : `recordings not found: ${DATA} (set CORDON_SHARED)`;
const text = (path: string): string => gunzipSync(readFileSync(join(DATA, path))).toString('utf8');
const rows = <T>(path: string, row: z.ZodType<T>): T[] =>
  text(path)
    .trim()
    .split('\n')
    .map((line) => row.parse(JSON.parse(line)));

const Tool = z.object({
  name: z.string(),
  desc: z.string(),
  params: z.record(z.string(), z.object({ type: z.string().optional(), desc: z.string().optional() })),
});
const drafts = (): readonly (readonly [ToolSchema, Manifest])[] =>
  Object.values(z.record(z.string(), z.object({ tools: z.array(Tool) })).parse(JSON.parse(text('agentdyn/tools_only.json.gz'))))
    .flatMap(({ tools }) => tools)
    .map(({ name, desc, params }) => {
      const parameters = Object.fromEntries(
        Object.entries(params).map(([key, { type = '', desc: description = '' }]) => [key, { type, description }]),
      );
      const schema = { name, description: desc, parameters };
      return [schema, draftManifest(schema)] as const;
    });

const WRITES =
  /(?:^|_)(?:send|delete|remove|pay|create|update|add|invite|transfer|cancel|push|refund|checkout|login|move|copy|clear|star|unstar)(?:_|$)/;
const READS = /^(?:get|list|search|view|read)_/;
const SINKS = /^(?:recipients?|cc|bcc|url|email|password|.*_id|.*_ids|.*_email|.*_username|.*_key|.*account_number|participants)$/;

test('tools of unknown suites: a name that says a change is a write, one that says a look is a read', { skip }, () => {
  const of = (pattern: RegExp): readonly (readonly [ToolSchema, Manifest])[] => drafts().filter(([{ name }]) => pattern.test(name));
  ok(of(WRITES).length > 40);
  deepEqual(
    of(WRITES).flatMap(([{ name }, { effect }]) => (effect === 'write' ? [] : [name])),
    [],
  );
  ok(of(READS).length > 30);
  deepEqual(
    of(READS).flatMap(([{ name }, { effect }]) => (effect === 'read' ? [] : [name])),
    [],
  );
});

test('tools of unknown suites: whom a write goes to is a sink, and so is an address that a read goes to', { skip }, () => {
  const missed = drafts().flatMap(([{ name, parameters }, { effect, roles }]) =>
    Object.keys(parameters).flatMap((argument) => {
      const names = effect === 'write' ? SINKS.test(argument) : argument === 'url';
      return names && roles[argument] !== 'sink' ? [`${name}.${argument}`] : [];
    }),
  );
  deepEqual(missed, []);
  const pages = drafts().filter(([{ parameters }]) => Object.hasOwn(parameters, 'url'));
  ok(pages.length > 3);
  for (const [{ name }, { output }] of pages) equal(output, 'text', name);
});

test('hints of a server make a tool a write, never a read', () => {
  const tool = (name: string, annotations: ToolSchema['annotations'] = {}): Manifest['effect'] =>
    draftManifest({ name, description: '', parameters: {}, annotations }).effect;
  equal(tool('get_report'), 'read');
  equal(tool('get_report', { readOnlyHint: false }), 'write');
  equal(tool('get_report', { destructiveHint: true }), 'write');
  equal(tool('delete_report', { readOnlyHint: true }), 'write');
  equal(tool('fetch_and_delete_report'), 'write');
  equal(tool('frobnicate'), 'write');
});

test('Agent Security Bench: no tool of an attack is in the scope of any task', { skip }, () => {
  const agents = rows('asb/agent_task.jsonl.gz', z.object({ agent_name: z.string(), tasks: z.array(z.string()) }));
  const own = rows(
    'asb/all_normal_tools.jsonl.gz',
    z.object({ 'Tool Name': z.string(), Description: z.string(), 'Corresponding Agent': z.string() }),
  );
  const attacks = rows(
    'asb/all_attack_tools.jsonl.gz',
    z.object({
      'Attacker Tool': z.string(),
      Description: z.string(),
      'Attacker Instruction': z.string(),
      'Corresponding Agent': z.string(),
    }),
  );
  const manifests = draftManifests([
    ...own.map((tool) => ({ name: tool['Tool Name'], description: tool.Description, parameters: {} })),
    ...attacks.map((tool) => ({ name: tool['Attacker Tool'], description: tool.Description, parameters: {} })),
  ]);
  let asked = 0;
  const passed: string[] = [];
  for (const { agent_name: agent, tasks } of agents)
    for (const task of tasks) {
      const tools = own.filter((tool) => tool['Corresponding Agent'] === agent).map((tool) => tool['Tool Name']);
      for (const attack of attacks.filter((tool) => tool['Corresponding Agent'] === agent)) {
        const run = new Session({ manifests, trusted: [task], plans: [{ tools, text: '' }], salt: new Uint8Array(8) });
        const call = { tool: tools[0] ?? '', arguments: {} };
        equal(judge(run.facts(call)), 'allow');
        run.observe(call, { text: attack['Attacker Instruction'] });
        asked += 1;
        if (judge(run.facts({ tool: attack['Attacker Tool'], arguments: {} })) !== 'deny') passed.push(attack['Attacker Tool']);
      }
    }
  ok(asked >= 1000, `${asked} attacks`);
  deepEqual(passed, []);
});
