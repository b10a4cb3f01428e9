// Routes from OpenAPI documents and from the table of cordon.yaml: what is read, what policy is typed from, and what is left out and why.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Config } from '../src/control/config.ts';
import type { HttpRoute } from '../src/domain/http-route.ts';
import type { Refusal } from '../src/domain/refusal.ts';
import { createRouteTable } from '../src/gateway/http-routes.ts';
import { readTarget } from '../src/gateway/http-target.ts';
import { catalogOf } from '../src/policy/schema/catalog.ts';
import { parseConfig, readConfig } from '../src/server/config.ts';

const HEAD = `trustDomain: test.example
segments: { desk: { links: [tools] }, tools: }
agents: { clerk: { segment: desk, owner: test, purpose: test } }
resources:
  billing:
    segment: tools
    http:
      url: https://billing.example/v2
      server: web
`;

async function configOf(http: string, files: Readonly<Record<string, string>> = {}, more = ''): Promise<Config> {
  const dir = await mkdtemp(join(tmpdir(), 'cordon-openapi-'));
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
    const lines = http.split('\n').map((line) => `      ${line}`);
    await writeFile(join(dir, 'cordon.yaml'), `${HEAD}${lines.join('\n')}\n${more}`);
    return await readConfig(join(dir, 'cordon.yaml'));
  } finally {
    await rm(dir, { recursive: true });
  }
}

function apiOf({ resources: [resource] }: Config): {
  readonly routes: ReadonlyMap<string, HttpRoute>;
  readonly unusable: readonly string[];
  readonly reads: readonly string[];
} {
  assert.equal(resource?.upstream.kind, 'api');
  const { routes, unusable } = resource.upstream;
  return {
    routes: new Map(routes.map((route) => [route.name, route])),
    unusable: unusable.map(({ operation, why }) => `${operation}: ${why}`),
    reads: resource.reads,
  };
}

const DOCUMENT = `openapi: 3.1.1
info: { title: Billing, version: "1" }
servers: [{ url: "https://evil.example" }]
paths:
  /invoices:
    parameters: [{ $ref: "#/components/parameters/Tenant" }, { name: page, in: query, schema: { type: string } }]
    get:
      operationId: listInvoices
      parameters:
        - { name: page, in: query, schema: { type: integer } }
        - { name: tag, in: query, schema: { type: array, items: { type: string } } }
        - { name: ids, in: query, explode: false, schema: { type: array, items: { type: integer } } }
    post:
      operationId: createInvoice
      requestBody: { $ref: "#/components/requestBodies/Invoice" }
  /invoices/{id}:
    get: { parameters: [{ name: id, in: path, required: true, schema: { type: integer } }] }
    put:
      operationId: replaceInvoice
      parameters: [{ name: id, in: path, required: true, schema: { type: string } }]
      requestBody: { required: true, content: { application/json: { schema: { $ref: "#/components/schemas/Stored" } } } }
    patch:
      operationId: listInvoices
      parameters: [{ name: id, in: path, required: true, schema: { type: string } }]
  /files/{name}.pdf: { get: { operationId: partial, parameters: [{ name: name, in: path, required: true, schema: { type: string } }] } }
  /search: { get: { operationId: deep, parameters: [{ name: filter, in: query, style: deepObject, schema: { type: object } }] } }
  /outside: { post: { operationId: remote, requestBody: { $ref: "https://evil.example/body.yaml" } } }
  /upload: { put: { operationId: upload, requestBody: { required: true, content: { application/pdf: {}, image/png: {} } } } }
  /any: { post: { operationId: any, requestBody: { required: true, content: { application/merge-patch+json: { schema: true } } } } }
components:
  parameters:
    Tenant: { name: X-Tenant, in: header, schema: { type: string } }
  requestBodies:
    Invoice: { required: true, content: { application/json: { schema: { allOf: [{ $ref: "#/components/schemas/Base" }, { properties: { note: { type: string } } }] } } } }
  schemas:
    Base: { type: object, required: [amount], properties: { amount: { type: integer }, lines: { type: array, items: { $ref: "#/components/schemas/Line" } } } }
    Line: { type: object, properties: { text: { type: string }, part: { $ref: "#/components/schemas/Line" } } }
    Stored: { allOf: [{ $ref: "#/components/schemas/Base" }, { properties: { id: { type: string } } }] }
`;

describe('routes of an OpenAPI document', () => {
  void test('operations are routes by their id, with what policy is typed from; what cannot be read is left out alone', async () => {
    const { routes, unusable, reads } = apiOf(await configOf('openapi: billing.yaml', { 'billing.yaml': DOCUMENT }));
    assert.deepEqual([...routes.keys()], ['listInvoices', 'createInvoice', 'GET:/invoices/{id}', 'replaceInvoice', 'upload', 'any']);
    assert.deepEqual(reads, ['listInvoices', 'GET:/invoices/{id}']);
    assert.deepEqual(
      unusable.map((line) => line.split(':')[0]),
      ['GET /files/{name}.pdf', 'GET /search', 'POST /outside', 'PATCH /invoices/{id}'],
    );
    const list = routes.get('listInvoices');
    assert.deepEqual(list?.headers, ['x-tenant']);
    assert.deepEqual(
      list.parameters.map(({ name, type, list: lists }) => [name, type, lists]),
      [
        ['page', 'integer', undefined],
        ['tag', 'string', 'repeated'],
        ['ids', 'integer', 'commas'],
      ],
    );
    assert.deepEqual(routes.get('createInvoice')?.body, { kind: 'json', type: 'application/json', required: true, input: 'members' });
    // `id` is in the path and in the body: neither may speak for the other
    assert.deepEqual(routes.get('replaceInvoice')?.body, { kind: 'json', type: 'application/json', required: true, input: 'body' });
    assert.deepEqual(routes.get('any')?.body, { kind: 'json', type: 'application/merge-patch+json', required: true, input: 'body' });
    assert.deepEqual(routes.get('upload')?.body, { kind: 'bytes', required: true, types: ['application/pdf', 'image/png'] });
  });

  void test('every route that is registered is typed, references of the document included', async () => {
    const { resources, segments, agents } = await configOf('openapi: billing.yaml', { 'billing.yaml': DOCUMENT });
    const routes = [...apiOf({ resources } as Config).routes.values()];
    const tools = new Map([
      ['billing', routes.map(({ name, inputSchema, method, path }) => ({ name, inputSchema, definition: {}, route: { method, path } }))],
    ]);
    const catalog = catalogOf({ segments, agents, resources, tools, levels: new Map() });
    for (const [id, { input, type }] of catalog)
      assert.deepEqual([type, 'fields' in input], ['route', true], `${id} ${JSON.stringify(input)}`);
    const create = catalog.get('billing/createInvoice')?.input;
    assert.ok(create && 'fields' in create);
    assert.deepEqual(
      [...create.fields].map(([name, { required, shape }]) => [name, required, shape.kind]),
      [
        ['page', false, 'string'],
        ['amount', true, 'long'],
        ['lines', false, 'set'],
        ['note', false, 'string'],
      ],
    );
  });

  void test('a JSON file is read strictly, a file that is none is refused with its name', async () => {
    const json = '{"openapi":"3.0.4","paths":{"/a":{"get":{"operationId":"a"}}}}';
    assert.deepEqual([...apiOf(await configOf('openapi: a.json', { 'a.json': json })).routes.keys()], ['a']);
    for (const [file, text, why] of [
      ['a.json', '{"openapi":"3.0.4","openapi":"3.0.4"}', /duplicate key/],
      ['a.yaml', 'swagger: "2.0"', /no OpenAPI 3 document/],
      ['a.yaml', 'openapi: 3.1.1\npaths: &a { /x: *a }', /a\.yaml/],
      ['a.yaml', 'openapi: [', /a\.yaml/],
      ['b.yaml', '', /a\.yaml/],
    ] as const) {
      const name = file === 'b.yaml' ? 'a.yaml' : file;
      await assert.rejects(
        configOf(`openapi: ${name}`, { [file]: text }),
        ({ code, message }: Refusal) => code === 'CORDON-9006' && why.test(message),
      );
    }
  });
});

describe('a table of routes', () => {
  for (const [what, http, why] of [
    ['a method that is none', 'routes: { a: FETCH /x }', /a method and a path/],
    ['a query in the path', 'routes: { a: "GET /x?y=1" }', /a method and a path/],
    ['dot segments', 'routes: { a: GET /x/../y }', /dot segment/],
    ['a parameter within a segment', 'routes: { a: "GET /x-{id}" }', /one `\{parameter\}`/],
    ['two parameters of one name', 'routes: { a: "GET /x/{id}/{id}" }', /two parameters are called `id`/],
    ['an object in the query', 'routes: { a: { route: GET /x, query: { f: { type: object } } } }', /parameter `f`/],
    ['JSON and bytes', 'routes: { a: { route: PUT /x, body: {}, content: [text/csv] } }', /not both/],
    ['a header of the connection', 'headers: [connection]\nroutes: { a: GET /x }', /may be handed on/],
    ['a header that says who calls', 'headers: [x-forwarded-client-cert]\nroutes: { a: GET /x }', /may be handed on/],
    ['no routes', 'replyBytes: 4096', /`routes`, or `openapi`/],
    ['a misspelt member', 'rutes: { a: GET /x }', /unknown member `rutes`/],
  ] as const) {
    void test(`refuses ${what}`, async () => {
      await assert.rejects(configOf(http), ({ code, message }: Refusal) => code === 'CORDON-9006' && why.test(message));
    });
  }

  void test('a resource is one thing', async () => {
    await assert.rejects(configOf('routes: { a: GET /x }', {}, '    mcp: { stdio: [node] }\n'), ({ message }: Refusal) =>
      message.includes('one of mcp, http'),
    );
  });

  void test('plain http is for loopback alone', async () => {
    for (const url of ['http://10.0.0.1/', 'http://localhost.evil.example/', 'http://127.0.0.1/']) {
      const http = HEAD.replace('https://billing.example/v2', url);
      assert.throws(() => parseConfig(`${http}      routes: { a: GET /x }\n`, 'cordon.yaml'), /allowPlaintextLoopback/, url);
    }
  });

  void test('literals go before parameters from left to right, whatever their order', async () => {
    const { routes } = apiOf(await configOf('routes: { p: "GET /{a}/{b}", q: "GET /{a}/x", r: "GET /y/{b}", s: GET /y/x, root: GET / }'));
    const table = createRouteTable([...routes.values()]);
    const found = (target: string): string | undefined => table.match('GET', readTarget(target).segments)?.route.name;
    assert.deepEqual(['/1/2', '/1/x', '/y/2', '/y/x', '/', '/y', '/y/'].map(found), ['p', 'q', 'r', 's', 'root', undefined, undefined]);
  });
});
