// The section `authzen` of `cordon.yaml`: what it says, and that a PEP which could be mistaken for another is refused with its line.
import { deepEqual, throws } from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../src/server/config.ts';

const DIGEST = `sha256:${'ab'.repeat(32)}`;

const GOOD = `trustDomain: desk.example
segments:
  finance:
agents:
  clerk: { segment: finance, owner: ops, purpose: pays }
  teller: { segment: finance, owner: ops, purpose: asks }
resources:
  proxy: { segment: finance, mcp: { stdio: [proxy] } }
authzen:
  stores:
    todo: { policies: todo/policies, schema: todo/schema.cedarschema, entities: /data/entities.json }
    wiki: { policies: w, schema: s, entities: e, obligations: o.json }
  peps:
    web: { key: ${DIGEST}, stores: [todo] }
    envoy: { workload: resource/proxy, stores: [todo, wiki], agents: [clerk] }
    asker: { workload: agent/teller }
`;

void test('stores and PEPs are read, paths from where the file stands', () => {
  const { authzen } = parseConfig(GOOD, '/etc/cordon/cordon.yaml');
  deepEqual(authzen.stores, [
    { name: 'todo', policies: '/etc/cordon/todo/policies', schema: '/etc/cordon/todo/schema.cedarschema', entities: '/data/entities.json' },
    { name: 'wiki', policies: '/etc/cordon/w', schema: '/etc/cordon/s', entities: '/etc/cordon/e', obligations: '/etc/cordon/o.json' },
  ]);
  deepEqual(authzen.peps, [
    { name: 'web', key: DIGEST, stores: ['todo'], agents: [] },
    { name: 'envoy', workload: { kind: 'resource', name: 'proxy' }, stores: ['todo', 'wiki'], agents: ['clerk'] },
    { name: 'asker', workload: { kind: 'agent', name: 'teller' }, stores: [], agents: [] },
  ]);
  deepEqual(parseConfig(GOOD.slice(0, GOOD.indexOf('authzen:')), 'cordon.yaml').authzen, { stores: [], peps: [] });
});

const BAD: readonly (readonly [why: string, from: string, to: string, expected: RegExp])[] = [
  ['the key itself', DIGEST, 'my-secret-key', /cordon\.yaml:14:12: `authzen\.peps\.web\.key`: `sha256:` and the digest/],
  ['neither certificate nor key', `key: ${DIGEST}, `, '', /cordon\.yaml:14:\d+: `authzen\.peps\.web`: needs either `workload` or `key`/],
  ['both', `key: ${DIGEST}`, `key: ${DIGEST}, workload: agent/clerk`, /needs either/],
  ['an operator as a PEP', 'resource/proxy', 'operator/local', /cordon\.yaml:15:14: .*`agent\/NAME` or `resource\/NAME`/],
  ['a workload that is not registered', 'agent/teller', 'agent/nobody', /cordon\.yaml:16:14: .*no agent is called `nobody`/],
  ['an agent for a resource', 'resource/proxy', 'resource/clerk', /no resource is called `clerk`/],
  ['a store that is none', 'stores: [todo]', 'stores: [toto]', /no store is called `toto`/],
  ['an agent that is none', 'agents: [clerk]', 'agents: [clark]', /cordon\.yaml:15:.*no agent is called `clark`/],
  ['a name of the prototype', 'agents: [clerk]', 'agents: [constructor]', /no agent is called `constructor`/],
  ['one key for two', 'workload: agent/teller', `key: ${DIGEST}`, /cordon\.yaml:16:\d+: .*cannot be told from `web`/],
  ['one workload for two', 'agent/teller', 'resource/proxy', /cannot be told from `envoy`/],
  ['a misspelt member', 'stores: [todo] }', 'store: [todo] }', /unknown member `store`/],
  ['a store without entities', ', entities: /data/entities.json', '', /authzen\.stores\.todo\.entities/],
];
for (const [why, from, to, expected] of BAD) {
  void test(`${why}: refused, with the place`, () => {
    throws(() => parseConfig(GOOD.replace(from, to), 'cordon.yaml'), { code: 'CORDON-9006', message: expected });
  });
}
