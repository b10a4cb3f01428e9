// Random policy sets and value probes against the official engine, in a short run; and that a bug would be found and made small.
// `npm run conformance -- fuzz probes` runs them long.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Engine, ENGINE } from '../conformance/engine.ts';
import { Fuzz } from '../conformance/fuzz.ts';
import { Oracle } from '../conformance/oracle.ts';
import { Probes } from '../conformance/probes.ts';
import { Random } from '../conformance/random.ts';
import { Decimal } from '../src/policy/cedar/decimal.ts';

const SEED = 2026;

test('[DESIGN-5] random policy sets are decided as the official engine decides them', () => {
  const fuzz = new Fuzz(new Oracle());
  for (let at = 0; at < 40; at++) fuzz.trySet(new Random(SEED + at), 25);
  const { passed, failed, notes, figures = {} } = fuzz.score();
  assert.equal(failed, 0, notes.join('\n'));
  assert.equal(passed, 40 * 2 * 25);
  const { allowed = 0, withErrors = 0, links = 0 } = figures;
  assert.ok(allowed > passed / 10 && allowed < passed - passed / 10, `${allowed} of ${passed} allowed: the cases say little`);
  assert.ok(withErrors > passed / 10 && links > 0);
});

test('[DESIGN-5] random expressions have the values that they have in the official engine', () => {
  const probes = new Probes(new Oracle());
  for (let at = 0; at < 20; at++) probes.tryExpressions(new Random(SEED + at));
  const { passed, failed, notes, figures = {} } = probes.score();
  assert.equal(failed, 0, notes.join('\n'));
  assert.ok(passed > 15_000);
  assert.ok((figures['values'] ?? 0) > passed / 3 && (figures['failing'] ?? 0) > passed / 10);
});

/** Runs until the bug is found. */
function firstNote(one: { readonly notes: readonly string[] }, step: (at: number) => void): string {
  for (let at = 0; at < 200 && one.notes.length === 0; at++) step(at);
  return one.notes[0] ?? 'the bug was not found';
}

test('a bug of the answer is found, and shown with nothing around it', () => {
  const permitsWin: Engine = {
    ...ENGINE,
    authorize(set, request, entities) {
      const { permits, forbids, errors } = ENGINE.evaluate(set, request, entities);
      const deciding = permits.length > 0 ? permits : forbids;
      return { allowed: permits.length > 0, reasons: deciding.map(({ id }) => id), errors };
    },
  };
  const fuzz = new Fuzz(new Oracle(), permitsWin);
  const note = firstNote(fuzz, (at) => fuzz.trySet(new Random(SEED + at), 20));
  assert.match(
    note,
    /^expected deny by \[(.+)\], errors in \[\], got allow by \[(.+)\], errors in \[\]\n(?: {2}\S+: (?:permit|forbid)\(principal, action, resource\);\n){2} {2}entities \[\]\n {2}request .*"context":\{\}\}$/,
  );
});

test('a bug of a value is found, and shown with nothing around it', () => {
  const wrongDecimals: Engine = {
    ...ENGINE,
    compile(expression) {
      const evaluate = ENGINE.compile(expression);
      return (env, constants) => {
        const value = evaluate(env, constants);
        return value instanceof Decimal && value.scaled < 0 ? Decimal.parse('0.0') : value;
      };
    },
  };
  const probes = new Probes(new Oracle(), wrongDecimals);
  const note = firstNote(probes, (at) => probes.tryExpressions(new Random(SEED + at)));
  assert.match(note, /^the official engine does not agree: \{"__extn":.*"0\.0000".*\}\n {2}of \S.{0,40}\n {2}entities \[/);
});
