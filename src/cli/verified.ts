// Offline verification of logs in directories: which key is trusted and where it came from, the result, and what it does not say.
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseVerifierKey, type VerifierKey } from '../audit/note.ts';
import { verifyLog, type Verification } from '../audit/verify.ts';
import { isJsonObject, parseJson, type JsonObject } from '../domain/json.ts';
import { tilesAt } from '../store/log-tiles.ts';
import { Failure } from './errors.ts';
import { labelled } from './explain.ts';
import type { Paint } from './paint.ts';
import { count, several } from './units.ts';
import { plain } from './untrusted.ts';

export interface FoundLog {
  readonly dir: string;
  readonly key: VerifierKey | undefined;
  /** The file that the key was read from. */
  readonly keyFrom: string;
  /** Did the key come from the log itself? */
  readonly keyBeside: boolean;
  readonly pinned: Uint8Array | undefined;
}

export interface Verified {
  readonly log: FoundLog;
  readonly verification: Verification;
}

interface Given {
  readonly pinned?: string;
  readonly key?: string;
}

const MAX_FILE = 131_072;

/** The logs that are meant. @throws Failure when there is none, or when one key is given for several */
export async function findLogs(dir: string | undefined, data: string, given: Given): Promise<readonly FoundLog[]> {
  const root = dir === undefined ? join(data, 'log') : resolve(dir);
  const dirs = (await isLog(root)) ? [root] : await logsBelow(root);
  if (dirs.length === 0 && dir !== undefined && (await logsBelow(join(root, 'log'))).length > 0)
    return findLogs(join(root, 'log'), data, given);
  if (dirs.length === 0) {
    throw new Failure('usage', `no log is in \`${root}\``, {
      expected: 'a directory with `checkpoint` and `tile/`, or one above such directories',
      fix: ['name it: `cordon audit verify DIR`, or `--data DIR`'],
    });
  }
  if (dirs.length > 1 && (given.key !== undefined || given.pinned !== undefined)) {
    throw new Failure('usage', 'a key or a checkpoint is of one log, and there are several', {
      observed: dirs.join(', '),
      fix: [`\`cordon audit verify ${dirs[0] ?? ''}\``],
    });
  }
  const pinned = given.pinned === undefined ? undefined : await readGiven(given.pinned, 'checkpoint');
  return Promise.all(dirs.map(async (one) => ({ dir: one, pinned, ...(await keyOf(one, given.key)) })));
}

const isLog = async (dir: string): Promise<boolean> => (await isThere(join(dir, 'checkpoint'))) || (await isThere(join(dir, 'log.json')));

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

async function logsBelow(dir: string): Promise<readonly string[]> {
  const names = (await readdir(dir).catch((): string[] => [])).toSorted();
  const found: string[] = [];
  for (const name of names) if (await isLog(join(dir, name))) found.push(join(dir, name));
  return found;
}

async function readGiven(path: string, what: string): Promise<Uint8Array> {
  try {
    const bytes = await readFile(path);
    if (bytes.byteLength <= MAX_FILE) return bytes;
  } catch (cause) {
    throw new Failure('usage', `the ${what} cannot be read`, { observed: `\`${path}\``, fix: ['name a file that exists'], cause });
  }
  throw new Failure('usage', `\`${path}\` is too large for a ${what}`, { expected: `at most ${MAX_FILE} bytes` });
}

/** The given key, else the one that the log states of itself. A log without one is trusted by no key. @throws Refusal CORDON-9006 */
async function keyOf(dir: string, given: string | undefined): Promise<Pick<FoundLog, 'key' | 'keyFrom' | 'keyBeside'>> {
  if (given !== undefined) {
    const bytes = await readGiven(given, 'verifier key');
    return {
      key: parseVerifierKey(statedKey(bytes) ?? Buffer.from(bytes).toString('utf8').trim()),
      keyFrom: resolve(given),
      keyBeside: false,
    };
  }
  const keyFrom = join(dir, 'log.json');
  const bytes = await readFile(keyFrom).catch(() => undefined);
  const vkey = bytes === undefined ? undefined : statedKey(bytes);
  return { key: vkey === undefined ? undefined : parseVerifierKey(vkey), keyFrom, keyBeside: true };
}

function statedKey(bytes: Uint8Array): string | undefined {
  try {
    const json = parseJson(bytes, { maxBytes: 4_096, maxDepth: 2 });
    return isJsonObject(json) && typeof json['vkey'] === 'string' ? json['vkey'] : undefined;
  } catch {
    return undefined; // not log.json: the bare text of a key, which its parser judges
  }
}

export async function verifyFound(log: FoundLog): Promise<Verified> {
  if (log.key === undefined) return { log, verification: { ...NO_KEY, findings: [{ message: 'no key to trust', path: log.keyFrom }] } };
  const options = log.pinned === undefined ? {} : { pinned: log.pinned };
  return { log, verification: await verifyLog(tilesAt(log.dir), log.key, options) };
}

const NO_KEY: Omit<Verification, 'findings'> = {
  result: 'KEY_NOT_TRUSTED',
  checked: { checkpoints: 0, entries: 0, bundles: 0, tiles: 0 },
  wrong: 1,
  notChecked: ['every entry and every tile: without a key there is nothing to hold them against'],
};

/** `cordon.verification/v1`; `result` is the worst of the logs. */
export function verifiedJson(verified: readonly Verified[]): JsonObject {
  const worst = verified.find(({ verification }) => verification.result !== 'VERIFIED');
  return {
    schema: 'cordon.verification/v1',
    result: worst?.verification.result ?? 'VERIFIED',
    items: verified.map(({ log, verification }) => ({
      dir: log.dir,
      key: log.key === undefined ? null : `${log.key.name}+${log.key.id}`,
      key_from: log.keyFrom,
      ...verification,
      checked: { ...verification.checked },
      findings: verification.findings.map((finding) => ({ ...finding })),
      notChecked: notChecked(log, verification),
    })),
    next: null,
  };
}

const notChecked = ({ key, keyBeside }: FoundLog, verification: Verification): readonly string[] => [
  ...(keyBeside && key !== undefined
    ? [
        'whether the key is the right one: it was read beside the log, where whoever can rewrite the log can put another; `--key FILE` names one that you kept',
      ]
    : []),
  ...verification.notChecked,
];

const SHOWN = 10;

export function renderVerified(paint: Paint, { log, verification }: Verified): readonly string[] {
  const { result, checked, size, findings, wrong } = verification;
  const good = result === 'VERIFIED';
  const head =
    `${paint.mark(good ? 'v' : 'x')} ${plain(verification.origin ?? log.dir)}  ${size === undefined ? '' : `signed size ${count(size)}`}`.trimEnd();
  const key = log.key === undefined ? 'none' : `${plain(log.key.name)}+${log.key.id}`;
  const read = `${several(checked.entries, 'entry', 'entries')}, ${several(checked.bundles, 'bundle')}, ${several(checked.tiles, 'tile')}, ${several(checked.checkpoints, 'checkpoint')}`;
  const seen = findings
    .slice(0, SHOWN)
    .flatMap(({ message, seq, path, expected, observed }) => [
      `${paint.mark('x')} ${plain(message)}${seq === undefined ? '' : `  entry ${count(seq)}`}${path === undefined ? '' : `  ${plain(path)}`}`,
      ...(expected === undefined ? [] : [`    expected ${plain(expected)}`]),
      ...(observed === undefined ? [] : [`    observed ${plain(observed)}`]),
    ]);
  const more = wrong > Math.min(findings.length, SHOWN) ? [`and ${count(wrong - Math.min(findings.length, SHOWN))} more`] : [];
  return [
    head,
    ...labelled(paint, 'key', [`${key}  from ${plain(log.keyFrom)}`]),
    ...labelled(paint, 'read', [read]),
    ...labelled(paint, 'wrong', [...seen, ...more]),
    ...labelled(
      paint,
      'not',
      notChecked(log, verification).map((text) => `checked: ${text}`),
    ),
    ...labelled(paint, 'result', [paint(good ? 'good' : 'bad', result)]),
  ];
}
