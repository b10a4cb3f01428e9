// Published vectors against the log engine: RFC 6962 proofs (transparency-dev/merkle) and RFC 8785 (cyberphone, erdtman).
import { deepEqual, equal, throws } from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { EMPTY_ROOT, leafHash, nodeHash, rootOf, verifyConsistency, verifyInclusion } from '../src/audit/merkle.ts';
import { extendsCheckpoint } from '../src/audit/checkpoint.ts';
import { canonicalJson } from '../src/audit/leaf.ts';
import { Tree } from '../src/audit/tree.ts';
import { isJsonObject, parseJson, type Json, type JsonObject } from '../src/domain/json.ts';

const SHARED = process.env['CORDON_SHARED'] ?? resolve(import.meta.dirname, '../../shared');

/** The file's bytes; without the vectors the test is skipped aloud, and under CI it fails. */
function vectors(t: TestContext, name: string): Buffer | undefined {
  const file = join(SHARED, 'vectors', name);
  if (existsSync(file)) return readFileSync(file);
  const reason = `vectors not found: ${file} (set CORDON_SHARED)`;
  if (process.env['CI'] === 'true') throw new Error(reason);
  t.skip(reason);
  return undefined;
}

const parse = (bytes: Uint8Array): Json => parseJson(bytes, { maxBytes: 10_000_000, maxDepth: 20 });

function cases(value: Json | undefined): JsonObject[] {
  if (!Array.isArray(value)) throw new Error('expected an array of cases');
  return value.filter(isJsonObject);
}

const text = (value: Json | undefined): string => (typeof value === 'string' ? value : '');
const base64 = (value: Json | undefined): Uint8Array => Buffer.from(text(value), 'base64');
const hashes = (value: Json | undefined): Uint8Array[] => (Array.isArray(value) ? value.map(base64) : []);

interface Score {
  readonly passed: number;
  readonly acceptedButWrong: string[];
  readonly refusedButRight: string[];
}

function score(all: readonly JsonObject[], verify: (c: JsonObject) => boolean): Score {
  const acceptedButWrong: string[] = [];
  const refusedButRight: string[] = [];
  for (const c of all) {
    const accepted = verify(c);
    if (accepted && c['wantErr'] === true) acceptedButWrong.push(text(c['file']));
    if (!accepted && c['wantErr'] === false) refusedButRight.push(text(c['file']));
  }
  return { passed: all.length - acceptedButWrong.length - refusedButRight.length, acceptedButWrong, refusedButRight };
}

describe('RFC 6962 vectors', () => {
  test('inclusion: 98 of 98', (t) => {
    const file = vectors(t, 'merkle/inclusion.json');
    if (file === undefined) return;
    const result = score(cases(parse(file)), (c) =>
      verifyInclusion({
        // 2^64−1 comes as a bigint; what a number cannot hold is refused
        index: Number(c['leafIdx']),
        size: Number(c['treeSize']),
        leafHash: base64(c['leafHash']),
        proof: hashes(c['proof']),
        root: base64(c['root']),
      }),
    );
    deepEqual(result, { passed: 98, acceptedButWrong: [], refusedButRight: [] });
  });

  test('consistency: 98 of 98, an old size of 0 refused by the Merkle rule', (t) => {
    const file = vectors(t, 'merkle/consistency.json');
    if (file === undefined) return;
    const result = score(cases(parse(file)), (c) =>
      verifyConsistency({
        size1: Number(c['size1']),
        size2: Number(c['size2']),
        root1: base64(c['root1']),
        root2: base64(c['root2']),
        proof: hashes(c['proof']),
      }),
    );
    deepEqual(result, { passed: 98, acceptedButWrong: [], refusedButRight: [] });
  });

  test('old size 0 is accepted one layer up, with an empty proof and the empty root only', () => {
    const newer = { size: 3, root: rootOf(Buffer.alloc(96, 7)) };
    equal(extendsCheckpoint({ size: 0, root: EMPTY_ROOT }, newer, []), true);
    equal(extendsCheckpoint({ size: 0, root: EMPTY_ROOT }, newer, [newer.root]), false);
    equal(extendsCheckpoint({ size: 0, root: newer.root }, newer, []), false);
  });

  test('inclusion in a subtree: 204 of 204', (t) => {
    const file = vectors(t, 'merkle/subtree-inclusion.json');
    if (file === undefined) return;
    const big = (value: Json | undefined): bigint => (typeof value === 'number' || typeof value === 'bigint' ? BigInt(value) : -1n);
    const result = score(cases(parse(file)), (c) => {
      const [start, end] = [big(c['start']), big(c['end'])];
      return verifyInclusion({
        index: Number(big(c['leafIdx']) - start),
        size: Number(end - start),
        leafHash: base64(c['leafHash']),
        proof: hashes(c['proof']),
        root: base64(c['root']),
      });
    });
    deepEqual(result, { passed: 204, acceptedButWrong: [], refusedButRight: [] });
  });

  test('tree.json: 8 leaves, 15 nodes, 9 roots', (t) => {
    const file = vectors(t, 'merkle/tree.json');
    if (file === undefined) return;
    const tree = parse(file);
    if (!isJsonObject(tree)) throw new Error('expected an object');
    const strings = (value: Json | undefined): string[] => (Array.isArray(value) ? value.map(text) : []);
    const levels = Array.isArray(tree['nodes']) ? tree['nodes'].map(strings) : [];
    let level = strings(tree['leafInputs']).map((input) => leafHash(Buffer.from(input, 'hex')));
    const grown = new Tree();
    const roots = [grown.root(), ...level.map((hash) => (grown.append(hash), grown.root()))];
    deepEqual(roots.map(hex), strings(tree['rootsBySize']));
    for (const expected of levels) {
      deepEqual(level.map(hex), expected);
      level = Array.from({ length: level.length / 2 }, (_, i) => nodeHash(level[2 * i] ?? EMPTY_ROOT, level[2 * i + 1] ?? EMPTY_ROOT));
    }
    equal(levels.flat().length, 15);
  });
});

describe('RFC 8785 vectors', () => {
  test('8 canonical forms, stable when done twice', (t) => {
    const file = vectors(t, 'jcs/vectors.json');
    if (file === undefined) return;
    const all = parse(file);
    const positive = cases(isJsonObject(all) ? all['cases'] : undefined);
    for (const c of positive) {
      const canonical = canonicalJson(parse(Buffer.from(text(c['input']))));
      equal(Buffer.from(canonical).toString('hex'), c['outputHex'], text(c['name']));
      equal(canonicalJson(parse(Buffer.from(canonical))), canonical, text(c['name']));
    }
    equal(positive.length, 8);
  });

  test('4 inputs that have no canonical form are refused', (t) => {
    const file = vectors(t, 'jcs/vectors.json');
    if (file === undefined) return;
    const all = parse(file);
    const negative = cases(isJsonObject(all) ? all['negative'] : undefined);
    for (const c of negative) {
      throws(() => canonicalJson(parse(Buffer.from(text(c['input'])))), { name: 'Refusal', code: 'CORDON-9011' }, text(c['name']));
    }
    equal(negative.length, 4);
  });

  test('10,000 numbers', (t) => {
    const file = vectors(t, 'jcs/numbers.csv.gz');
    if (file === undefined) return;
    const lines = gunzipSync(file).toString('utf8').trim().split('\n');
    const view = new DataView(new ArrayBuffer(8));
    const wrong = lines.filter((line) => {
      const [bits = '', expected] = line.split(',');
      view.setBigUint64(0, BigInt(`0x${bits}`));
      return canonicalJson(view.getFloat64(0)) !== expected;
    });
    deepEqual([lines.length, wrong], [10_000, []]);
  });
});

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
