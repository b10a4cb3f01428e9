// What the token service refuses, one row for each way to be wrong: over real HTTPS at a running Cordon, with the error that the standard
// asks for and the code that says why. A refusal says nothing of what was sent, and is on record.
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Case, describedBy } from './oauth/case.ts';
import { CLIENT_CASES } from './oauth/cases-client.ts';
import { DELEGATION_CASES } from './oauth/cases-delegation.ts';
import { DPOP_CASES } from './oauth/cases-dpop.ts';
import { REQUEST_CASES } from './oauth/cases-request.ts';
import { SUBJECT_CASES } from './oauth/cases-subject.ts';
import { openWorld, type World } from './support/oauth-world.ts';

const CASES: readonly Case[] = [...REQUEST_CASES, ...CLIENT_CASES, ...SUBJECT_CASES, ...DELEGATION_CASES, ...DPOP_CASES];

let opened: World | undefined;
const world = (): World => {
  if (opened === undefined) throw new Error('there is no world');
  return opened;
};

before(async () => {
  opened = await openWorld();
});
after(() => opened?.close());

const sections = [...new Set(CASES.map(({ section }) => section))];
for (const section of sections) {
  describe(section, () => {
    for (const { what, error, code, status, ask } of CASES.filter((one) => one.section === section)) {
      test(`${what}: ${error}, ${code}`, async () => {
        const { form, ...how } = await ask(world());
        const answer = await world().post(form, how);
        deepEqual([...describedBy(answer), answer.status], [error, code, status], answer.text);
        equal(answer.headers['cache-control'], 'no-store');
        equal(answer.headers['www-authenticate'] !== undefined, status === 401);
        match(String(answer.json['error_description']), /^[\x20\x21\x23-\x5b\x5d-\x7e]+$/); // RFC 6749 §5.2
        ok(!/eyJ/.test(answer.text)); // no part of a token
      });
    }
  });
}

test('[RFC6749 §5.2] [RFC8707] [I4] the table is as long as it was, and no row stands in it twice', () => {
  equal(new Set(CASES.map(({ section, what }) => `${section}: ${what}`)).size, CASES.length);
  ok(CASES.length >= 288, `${CASES.length} rows`);
});

test('what would be granted but for the fault is granted', async () => {
  await world().task('caller');
  await world().task('caller', {}, { headers: { dpop: await world().proof() } });
  const { status, text } = await world().post({ ...world().exchange(), ...world().signedIn() });
  equal(status, 200, text);
});
