// Who answers for an HTTP API: a workload with its SVID, a server of the web with a certificate for its host, and nobody else. And how its
// answers flow: no faster than they are read.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { createServer as createHttps, request, type Server } from 'node:https';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { freePorts, openBed, POLICIES, send, type Answer, type Bed, type Svid } from './support/bed.ts';
import { until } from './support/until.ts';
import { openWebAuthority } from './support/web-certificate.ts';

const API = (spiffe: number, web: number): string => `
  inside: { segment: tools, http: { url: "https://127.0.0.1:${spiffe}/base", routes: { get: "GET /items/{id}" } } }
  impostor: { segment: tools, http: { url: "https://127.0.0.1:${web}", routes: { get: GET /a } } }
  wrong: { segment: tools, http: { url: "https://127.0.0.1:${spiffe}", routes: { get: GET /a } } }
  web: { segment: tools, http: { url: "https://localhost:${web}", server: web, ca: web.pem, routes: { get: GET /a, flood: GET /flood } } }
  unknown: { segment: tools, http: { url: "https://localhost:${web}", server: web, routes: { get: GET /a } } }
  misnamed: { segment: tools, http: { url: "https://127.0.0.1:${web}", server: web, ca: web.pem, routes: { get: GET /a } } }
`;

const FLOOD = 200_000_000;

let bed: Bed;
let web: Server;
let caller: Svid;
let written = 0;
let served = 0;

before(async () => {
  const authority = await openWebAuthority();
  web = createHttps(await authority.issue('localhost'), (req, res) => {
    served++;
    if (req.url !== '/flood') return void res.end('web');
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    const chunk = Buffer.alloc(100_000, 65);
    const more = (): void => {
      while (written < FLOOD && !res.destroyed) {
        written += chunk.byteLength;
        if (!res.write(chunk)) return void res.once('drain', more);
      }
      res.end();
    };
    more();
  });
  web.listen(0, 'localhost');
  await once(web, 'listening');
  const { port } = web.address() as { port: number };
  const [spiffe = 0] = await freePorts(1);
  bed = await openBed({
    policies: `${POLICIES}@id("apis") permit (principal == Agent::"caller", action in Action::"http/call", resource);`,
    configure: (yaml) => yaml.replace('\npolicies:', `${API(spiffe, port)}\npolicies:`),
    beforeStart: (dir) => writeFile(join(dir, 'web.pem'), authority.ca),
  });
  await bed.spawnWorkload('resource', 'inside', 'test/support/http-server.ts', [String(spiffe)]);
  await bed.ready();
  caller = await bed.svid('caller');
});
after(async () => {
  await (bed as Bed | undefined)?.close();
  web.closeAllConnections();
  web.close();
});

const get = (path: string): Promise<Answer> => send({ port: bed.ports.gateway, path: `/api/${path}`, method: 'GET', svid: caller });

describe('who answers for an API', () => {
  void test('[I5] a workload of the trust domain, which is told who calls, and never with the token of the caller', async () => {
    const { status, json } = await get('inside/items/7');
    assert.deepEqual([status, json['url'], json['authorization']], [200, '/base/items/7', null]);
    const { aud, req_wl: requester } = decodeJwt(String(json['txn']));
    assert.match(JSON.stringify([aud, requester, json['txn']]), /test\.example/);
  });

  void test('a server of the web, by the authority that is registered for it', async () => {
    const { status, text } = await get('web/a');
    assert.deepEqual([status, text], [200, 'web']);
  });

  for (const [api, why] of [
    ['impostor', 'a server of the web in place of a workload'],
    ['wrong', 'another workload'],
    ['unknown', 'a server whose authority nobody knows'],
    ['misnamed', 'a server with a certificate for another host'],
  ] as const) {
    void test(`[I5] not ${why}`, async () => {
      const from = served;
      const { status, json } = await get(`${api}/a`);
      assert.deepEqual([status, json['code'], served], [502, 'CORDON-9010', from]);
    });
  }

  void test('`cordon status` has them beside the tool servers, with what they have', async () => {
    const { resources } = (await bed.control('GET', '/v1/status')).json as {
      resources: { resource: string; kind?: string; tools: number; state: string }[];
    };
    const found = resources.find(({ resource }) => resource === 'web');
    assert.deepEqual([found?.kind, found?.tools, found?.state], ['http', 2, 'ready']);
  });
});

describe('a caller that stops reading', () => {
  void test('[I10] makes the API wait, not the gateway grow; when it reads again nothing is missing', async () => {
    const res = await new Promise<IncomingMessage>((resolve, reject) => {
      const options = {
        host: '127.0.0.1',
        port: bed.ports.gateway,
        path: '/api/web/flood',
        ...caller,
        agent: false,
        servername: '',
        checkServerIdentity: () => undefined,
      };
      request(options, resolve).on('error', reject).end();
    });
    res.pause();
    let seen = -1;
    let times = 0;
    await until('the API stops sending', () => {
      times = written === seen ? times + 1 : 0;
      seen = written;
      return written > 0 && times >= 25 ? written : undefined;
    });
    assert.ok(written < FLOOD / 2, `${written} bytes were taken for nobody`);
    let size = 0;
    for await (const chunk of res) size += (chunk as Buffer).byteLength;
    assert.equal(size, FLOOD);
  });
});
