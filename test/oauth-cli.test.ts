// `cordon delegation`: what an operator sees of a task token, and how they end it.
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { cordon, type Ran } from './support/cordon.ts';
import { claimsOf } from './support/oauth-bed.ts';
import { mandate, openWorld, type World } from './support/oauth-world.ts';

let opened: World | undefined;
const world = (): World => {
  if (opened === undefined) throw new Error('there is no world');
  return opened;
};

before(async () => {
  opened = await openWorld();
});
after(() => opened?.close());

const run = (args: readonly string[], input = ''): Promise<Ran> =>
  cordon(['delegation', ...args, '--data', world().data], { cwd: world().dir, input });

test('verify shows for whom, through whom and within what; revoke ends it with what came from it', async () => {
  const first = await world().task('caller', {
    scope: 'cordon',
    authorization_details: JSON.stringify(mandate('tool:bench/echo', 'agent:callee')),
  });
  const second = String((await world().hop('callee', await world().txn('caller', first, 'callee'))).json['access_token']);
  const seen = await run(['verify', '-'], `${second}\n`);
  equal(seen.code, 0, seen.stderr);
  match(seen.stdout, /live {2}corp\/alice > caller > callee/);
  match(seen.stdout, /tools\/call, a2a\/SendMessage on tool:bench\/echo, agent:callee/);
  ok(!seen.stdout.includes('eyJ'));

  const revoked = await run(['revoke', String(claimsOf(first)['jti']), '--reason', 'test']);
  equal(revoked.code, 0, revoked.stderr);
  match(revoked.stdout, /token \S+ is revoked, with all that came from it: contained/);
  const dead = await run(['verify', '-', '--json'], second);
  equal(dead.code, 5);
  const { live, why, delegation } = JSON.parse(dead.stdout) as {
    live: boolean;
    why: { code: string };
    delegation: { chain: { agent: string }[] };
  };
  deepEqual([live, why.code, delegation.chain.map(({ agent }) => agent)], [false, 'CORDON-2007', ['caller', 'callee']]);
});

test('of a token that is none of ours nothing is said but why', async () => {
  const { code, stdout } = await run(['verify', '-'], world().alice);
  equal(code, 5);
  match(stdout, /CORDON-1009/);
  ok(!stdout.includes('alice'));
});

test('one thing is named, and a reason', async () => {
  for (const args of [[], ['A', '--txn', 'B'], ['--run', 'A', '--txn', 'B']])
    equal((await run(['revoke', ...args, '--reason', 'x'])).code, 2);
  equal((await run(['revoke', 'A'])).code, 2);
  equal((await run(['verify', 'no-such-file'])).code, 2);
});

test('a task is ended by its name; of none that it could have been is said that it was', async () => {
  const { txn } = claimsOf(await world().task('caller'));
  const { code, stdout, stderr } = await run(['revoke', '--txn', String(txn), '--reason', 'test']);
  equal(code, 0, stderr);
  match(stdout, /^v task \S+ is revoked, with all that came from it: contained[^]*note +tokens are not kept/);
  equal((await run(['revoke', '--txn', String(txn), '--reason', 'test'])).code, 8);
});
