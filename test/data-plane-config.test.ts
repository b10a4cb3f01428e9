// The section `dataPlanes`: whoever may ask is named, or Cordon does not start.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { parseConfig } from '../src/server/config.ts';

const EXAMPLE = new URL('../examples/data-planes/cordon.yaml', import.meta.url);

void test('the example is a configuration', async () => {
  const { dataPlanes } = parseConfig(await readFile(EXAMPLE, 'utf8'), 'cordon.yaml');
  assert.deepEqual(
    dataPlanes.map(({ name }) => name),
    ['nginx', 'caddy', 'haproxy', 'envoy'],
  );
  assert.deepEqual(dataPlanes[0]?.door, { kind: 'socket', path: '/run/cordon/nginx.sock', mode: 0o660 });
});

const GOOD = `trustDomain: desk.example
segments:
  desk:
agents:
  clerk: { segment: desk, owner: ops, purpose: pays }
resources:
  ledger: { segment: desk, mcp: { stdio: [server] } }
dataPlanes:
  edge:
    protocol: auth_request
    url: https://edge.example:9443
    DOOR
    routes: { ROUTES }
`;

const withDoor = (door: string, routes = 'mcp/ledger: {}'): string => GOOD.replace('DOOR', door).replace('ROUTES', routes);

void test('one that says who may ask is accepted', () => {
  for (const door of ['socket: s, access: owner', 'socket: s, uids: [33]', 'listen: 127.0.0.1:9, workload: ledger']) {
    assert.equal(parseConfig(withDoor(door.replace(', ', '\n    ')), 'cordon.yaml').dataPlanes.length, 1);
  }
});

const BAD: readonly (readonly [why: string, door: string, routes: string, expected: RegExp])[] = [
  ['no way in', '', 'mcp/ledger:', /needs either `socket` or `listen`/],
  ['two ways in', 'socket: s\n    access: owner\n    listen: 127.0.0.1:9', 'mcp/ledger:', /needs either `socket` or `listen`/],
  ['a socket for anyone', 'socket: s', 'mcp/ledger:', /needs either `access`/],
  ['an address for anyone', 'listen: 127.0.0.1:9', 'mcp/ledger:', /needs `workload`/],
  ['a workload that is not there', 'listen: 127.0.0.1:9\n    workload: nginx', 'mcp/ledger:', /no resource is called `nginx`/],
  ['a mode for an address', 'listen: 127.0.0.1:9\n    workload: ledger\n    access: owner', 'mcp/ledger:', /for a `socket`/],
  ['a callee that is not there', 'socket: s\n    access: owner', 'mcp/leger:', /no resource with `mcp` is called `leger`/],
  ['an agent that is a resource', 'socket: s\n    access: owner', 'a2a/ledger:', /no agent is called `ledger`/],
  ['headers of what has none', 'socket: s\n    access: owner', 'a2a/clerk: { headersOnly: true }', /is for `mcp/],
  ['a credential that is not there', 'socket: s\n    access: owner', 'mcp/ledger: { credential: true }', /has no `credential`/],
  ['a misspelt term', 'socket: s\n    access: owner', 'mcp/ledger: { headerOnly: true }', /unknown member `headerOnly`/],
];

for (const [why, door, routes, expected] of BAD) {
  void test(`[I1] refuses to start with ${why}`, () => {
    assert.throws(() => parseConfig(withDoor(door, routes), 'cordon.yaml'), { code: 'CORDON-9006', message: expected });
  });
}
