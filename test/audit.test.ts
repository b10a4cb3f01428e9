// The log engine: tree, tiles, notes, frames, and the verifier against every kind of damage. No files: logs are built in memory.
import { deepEqual, equal, match, notEqual, ok, rejects, throws } from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { append, type AppendOnly } from '../src/audit/append.ts';
import { openCheckpoint, parseCheckpoint, signCheckpoint } from '../src/audit/checkpoint.ts';
import { formatEntryProof, parseEntryProof, verifyEntryProof, type EntryProof } from '../src/audit/entry-proof.ts';
import { encodeFrame, leafOf, scanFrames, type Frame } from '../src/audit/frame.ts';
import { canonicalJson, decodeLeaf, encodeLeaf } from '../src/audit/leaf.ts';
import { EMPTY_ROOT, leafHash, nodeHash, splitPoint, verifyConsistency, verifyInclusion, type Hash } from '../src/audit/merkle.ts';
import { formatVerifierKey, parseNote, parseVerifierKey, signNote, verifierKey, verifyNote } from '../src/audit/note.ts';
import { consistencyProof, inclusionProof } from '../src/audit/prove.ts';
import { decodeBundle, encodeBundle, parseTilePath, TILE_WIDTH, tilePath, type ReadTiles, type Tile } from '../src/audit/tiles.ts';
import { Tree } from '../src/audit/tree.ts';
import { verifyLog, type Verification } from '../src/audit/verify.ts';
import type { Finding } from '../src/audit/walk.ts';
import {
  ed25519FromPem,
  ed25519FromSeed,
  ed25519PublicFromPem,
  ed25519PublicToPem,
  generateEd25519,
  verifyEd25519,
  type Ed25519Signer,
} from '../src/crypto/ed25519.ts';
import type { ActRecord } from '../src/domain/access.ts';

const ORIGIN = 'desk.example/gateway-1';
const signer = ed25519FromSeed(Buffer.alloc(32, 1));
const key = verifierKey(ORIGIN, signer.publicKey);

const record = (n: number): ActRecord => ({
  schema: 'cordon.act/v1',
  ts: '2026-11-22T10:00:00.000Z',
  actor: 'spiffe://desk.example/operator/ann',
  act: 'release',
  target: `agent-${n}`,
});

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const leaf = (n: number): Uint8Array => Buffer.from(encodeLeaf(record(n)));

/** MTH straight from RFC 6962 §2.1. */
function naiveRoot(hashes: readonly Hash[]): Hash {
  const [first] = hashes;
  if (first === undefined) return EMPTY_ROOT;
  if (hashes.length === 1) return first;
  const k = splitPoint(hashes.length);
  return nodeHash(naiveRoot(hashes.slice(0, k)), naiveRoot(hashes.slice(k)));
}

/** The files of a log of these entries, as a gateway publishes them. */
class MemoryLog implements ReadTiles {
  readonly files = new Map<string, Uint8Array>();

  constructor(entries: readonly Uint8Array[], by: Ed25519Signer = signer, origin = ORIGIN) {
    const tree = new Tree();
    for (const entry of entries) tree.append(leafHash(entry), (tile) => this.#put(tile));
    for (const tile of tree.partialTiles()) this.#put(tile);
    for (let index = 0; index * TILE_WIDTH < entries.length; index++) {
      const bundle = entries.slice(index * TILE_WIDTH, (index + 1) * TILE_WIDTH);
      this.#put({ level: 'entries', index, width: bundle.length, bytes: encodeBundle(bundle) });
    }
    const head = { origin, size: entries.length, root: tree.root() };
    this.files.set('checkpoint', Buffer.from(signCheckpoint(head, by)));
  }

  get checkpoint(): Uint8Array {
    return this.files.get('checkpoint') ?? new Uint8Array(0);
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    return this.files.get(path);
  }

  /** Flips one bit. */
  flip(path: string, at: number, bit = 0): this {
    const bytes = Uint8Array.from(this.files.get(path) ?? []);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
    this.files.set(path, bytes);
    return this;
  }

  without(path: string): this {
    ok(this.files.delete(path), path);
    return this;
  }

  #put(tile: Tile): void {
    this.files.set(tilePath(tile), tile.bytes);
  }
}

const leaves = (count: number): Uint8Array[] => Array.from({ length: count }, (_, n) => leaf(n));

describe('[RFC6962 §2.1] tree', () => {
  test('root after each leaf is that of RFC 6962 §2.1', () => {
    const hashes = leaves(530).map(leafHash);
    const tree = new Tree();
    for (const [n, hash] of hashes.entries()) {
      tree.append(hash);
      if (n < 20 || n % 64 < 2 || n % 256 > 253) equal(hex(tree.root()), hex(naiveRoot(hashes.slice(0, n + 1))), `size ${n + 1}`);
    }
  });

  test('tiles of 70,000 entries are those that tlog-tiles counts', () => {
    const tree = new Tree();
    const full: Tile[] = [];
    for (let n = 0; n < 70_000; n++) tree.append(EMPTY_ROOT, (tile) => full.push(tile));
    deepEqual(
      [0, 1, 2].map((level) => full.filter((tile) => tile.level === level).length),
      [273, 1, 0],
    );
    deepEqual(
      tree.partialTiles().map(({ level, index, width }) => [level, index, width]),
      [
        [0, 273, 112],
        [1, 1, 17],
        [2, 0, 1],
      ],
    );
  });

  test('proofs from tiles verify, and any change to them does not', async () => {
    const entries = leaves(1400);
    const size = fc.integer({ min: 1, max: entries.length });
    await fc.assert(
      fc.asyncProperty(size, size, fc.nat(), fc.nat(), async (a, b, pick, bit) => {
        const [size1, size2] = [Math.min(a, b), Math.max(a, b)];
        const log = new MemoryLog(entries.slice(0, size2));
        const { root } = openCheckpoint(log.checkpoint, key);
        const index = pick % size2;
        const leafOfIndex = leafHash(entries[index] ?? new Uint8Array(0));
        const inclusion = {
          index,
          size: size2,
          leafHash: leafOfIndex,
          proof: await inclusionProof(log, index, size2),
          root,
        };
        ok(verifyInclusion(inclusion));
        const { root: root1 } = openCheckpoint(new MemoryLog(entries.slice(0, size1)).checkpoint, key);
        const consistency = { size1, size2, root1, root2: root, proof: await consistencyProof(log, size1, size2) };
        ok(verifyConsistency(consistency));
        // every hash counts, no hash is spare, no other index will do
        ok(!verifyInclusion({ ...inclusion, proof: [...inclusion.proof, root] }));
        ok(!verifyConsistency({ ...consistency, proof: [...consistency.proof, root] }));
        ok(!verifyInclusion({ ...inclusion, index: (index + 1) % (size2 + 1) }));
        for (const { proof, verify } of [
          { proof: inclusion.proof, verify: (p: Hash[]) => verifyInclusion({ ...inclusion, proof: p }) },
          { proof: consistency.proof, verify: (p: Hash[]) => verifyConsistency({ ...consistency, proof: p }) },
        ]) {
          if (proof.length === 0) continue;
          ok(!verify(proof.slice(1)) && !verify(proof.slice(0, -1)));
          const bent = proof.map((hash) => Uint8Array.from(hash));
          const target = bent[pick % bent.length];
          if (target !== undefined) target[bit % 32] = (target[bit % 32] ?? 0) ^ 1;
          ok(!verify(bent));
        }
      }),
      { numRuns: 40 },
    );
  });

  test('the edge is rebuilt from tiles at any size below the published one', async () => {
    const entries = leaves(700);
    const log = new MemoryLog(entries);
    for (const size of [0, 1, 255, 256, 257, 512, 600, 700]) {
      const loaded = await Tree.load(log, size, 700);
      equal(hex(loaded.root()), hex(naiveRoot(entries.slice(0, size).map(leafHash))), `size ${size}`);
    }
    await rejects(Tree.load(log.without('tile/1/000.p/2'), 600, 700), {
      code: 'CORDON-9004',
      message: /tile 0 of level 1 .* missing/,
    });
  });

  test('a proof over a missing or short tile is refused', async () => {
    await rejects(inclusionProof(new MemoryLog(leaves(10)).without('tile/0/000.p/10'), 3, 10), { code: 'CORDON-9004' });
    const short = new MemoryLog(leaves(10));
    short.files.set('tile/0/000.p/10', new Uint8Array(33));
    await rejects(inclusionProof(short, 3, 10), { code: 'CORDON-9004' });
  });
});

describe('[C2SP-tlog-tiles] tiles', () => {
  test('paths are those of tlog-tiles', () => {
    equal(tilePath({ level: 0, index: 1_234_067, width: 256 }), 'tile/0/x001/x234/067');
    equal(tilePath({ level: 'entries', index: 0, width: 256 }), 'tile/entries/000');
    equal(tilePath({ level: 1, index: 1000, width: 17 }), 'tile/1/x001/000.p/17');
  });

  test('a path is read back, and only in the form it is written in', () => {
    const name = fc.record({
      level: fc.oneof(fc.constant('entries' as const), fc.integer({ min: 0, max: 63 })),
      index: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
      width: fc.integer({ min: 1, max: 256 }),
    });
    fc.assert(fc.property(name, (tile) => deepEqual(parseTilePath(tilePath(tile)), { ...tile })));
    const hostile = [
      '',
      'tile/0',
      'tile/0/0',
      'tile/64/000',
      'tile/00/000',
      'tile/0/x000/000',
      'tile/0/000.p/0',
      'tile/0/000.p/256',
      'tile/0/000.p/01',
      'tile/0/../../etc/passwd',
      'tile/0/000/..',
      '/tile/0/000',
      'tile/0/000\n',
      'tile/entries/x999/x999/x999/x999/x999/x999/999',
      'journal/0000000000000000',
    ];
    for (const path of hostile) equal(parseTilePath(path), undefined, path);
  });

  test('bundles come back entry by entry; a cut or padded one is not whole', () => {
    const entries = [Buffer.from('a'), Buffer.alloc(0), Buffer.alloc(65_535, 7)];
    const bundle = encodeBundle(entries);
    deepEqual(decodeBundle(bundle, 3), { entries, whole: true });
    equal(decodeBundle(bundle.subarray(0, -1), 3).entries.length, 2);
    equal(decodeBundle(bundle.subarray(0, -1), 3).whole, false);
    equal(decodeBundle(Buffer.concat([bundle, Buffer.of(0)]), 3).whole, false);
    throws(() => encodeBundle([Buffer.alloc(65_536)]), { code: 'CORDON-9004', observed: '65536 bytes' });
  });
});

describe('[C2SP-signed-note] signed notes', () => {
  // golang.org/x/mod/sumdb/note, package documentation
  const foreignKey = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
  const foreignNote =
    'If you think cryptography is the answer to your problem,\n' +
    "then you don't know what your problem is.\n\n" +
    '\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n';

  test("Go's published key and note verify", () => {
    const known = parseVerifierKey(foreignKey);
    equal(formatVerifierKey(known), foreignKey);
    equal(verifyNote(parseNote(Buffer.from(foreignNote)), known), 'valid');
    equal(verifyNote(parseNote(Buffer.from(foreignNote.replace('problem is', 'problem was'))), known), 'invalid');
    equal(verifyNote(parseNote(Buffer.from(foreignNote)), key), 'absent');
  });

  test('unknown signatures are ignored; one bad one under the known key spoils the note', () => {
    const text = 'body\n';
    const good = signNote(text, ORIGIN, signer);
    const lineOf = (note: string): string => note.slice(note.indexOf('\u2014'));
    const other = lineOf(signNote(text, ORIGIN, generateEd25519().signer));
    const elsewhere = lineOf(signNote('other\n', ORIGIN, signer));
    equal(verifyNote(parseNote(Buffer.from(good + other)), key), 'valid');
    equal(verifyNote(parseNote(Buffer.from(good + elsewhere)), key), 'invalid');
  });

  test('what is not exactly a note is refused', () => {
    const good = signNote('body\n', ORIGIN, signer);
    const bad: Record<string, string | Uint8Array> = {
      empty: '',
      'no signature': 'body\n\n',
      'no blank line': good.replace('\n\n', '\n'),
      'no last newline': good.slice(0, -1),
      'carriage return': good.replaceAll('\n', '\r\n'),
      'control character': good.replace('body', 'bo\u0007dy'),
      'hyphen for dash': good.replace('\u2014', '-'),
      'two spaces': good.replace(`${ORIGIN} `, `${ORIGIN}  `),
      'plus in name': good.replace(ORIGIN, 'a+b'),
      'no-break space in name': good.replace(ORIGIN, 'a\u00a0b'),
      'base64 without padding': good.replace('=\n', '\n'),
      base64url: good.replace(/ ([^ ]+)\n$/, ' A-_AAAAAAAAA\n'),
      'loose trailing bits': good.replace(/ ([^ ]+)\n$/, ' AAAAAAB=\n'),
      'key id only': good.replace(/ ([^ ]+)\n$/, ' AAAAAA==\n'),
      'too long': `${'x'.repeat(200_000)}\n${good}`,
      'too many signatures': good + good.slice(6).repeat(64),
      'invalid UTF-8': Buffer.concat([Buffer.of(0xff), Buffer.from(good)]),
    };
    for (const [name, note] of Object.entries(bad)) throws(() => parseNote(Buffer.from(note)), { code: 'CORDON-9011' }, name);
  });

  test('verifier keys are checked against their own id', () => {
    const good = formatVerifierKey(key);
    deepEqual(parseVerifierKey(good).publicKey.byteLength, 32);
    const bad = [
      good.replace('+', '-'),
      good.replace(key.id, '00000000'),
      `${good}A`,
      good.replace(ORIGIN, 'other'),
      good.replace('+A', '+B'),
      '',
    ];
    for (const text of bad) throws(() => parseVerifierKey(text), { code: 'CORDON-9006' }, text);
    throws(() => verifierKey('two words', signer.publicKey), { code: 'CORDON-9006', observed: '`two words`' });
  });
});

describe('[C2SP-tlog-checkpoint] checkpoints', () => {
  test('the example of tlog-checkpoint is read', () => {
    const note = parseNote(
      Buffer.from(
        'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n' +
          '\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n',
      ),
    );
    const { origin, size } = parseCheckpoint(note);
    deepEqual([origin, size], ['example.com/behind-the-sofa', 20_852_163]);
  });

  test('other shapes are refused', () => {
    const root = Buffer.from(EMPTY_ROOT).toString('base64');
    const texts = [
      `o\n1\n${root}\nextension\n`,
      `o\n01\n${root}\n`,
      `o\n-1\n${root}\n`,
      `o\n1.0\n${root}\n`,
      `o\n9007199254740992\n${root}\n`,
      `o\n18446744073709551615\n${root}\n`,
      `o\n1\n${root.slice(0, -4)}\n`,
      `\n1\n${root}\n`,
      `o\n1\n`,
      `o\n0\n${Buffer.alloc(32).toString('base64')}\n`,
    ];
    for (const text of texts) throws(() => parseCheckpoint({ text, signatures: [] }), { code: 'CORDON-9011' }, text);
  });

  test('opening asks for the right key and the right log', () => {
    const head = { origin: ORIGIN, size: 0, root: EMPTY_ROOT };
    const other = ed25519FromSeed(Buffer.alloc(32, 2));
    equal(openCheckpoint(Buffer.from(signCheckpoint(head, signer)), key).size, 0);
    throws(() => openCheckpoint(Buffer.from(signCheckpoint(head, other)), key), {
      code: 'CORDON-9011',
      message: /not signed by the log/,
    });
    const stranger = signNote(`other.example\n0\n${Buffer.from(EMPTY_ROOT).toString('base64')}\n`, ORIGIN, signer);
    throws(() => openCheckpoint(Buffer.from(stranger), key), { code: 'CORDON-9011', message: /another log/ });
  });
});

describe('Ed25519', () => {
  test('RFC 8032 §7.1 test 1, and keys through PEM', () => {
    const known = ed25519FromSeed(Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex'));
    equal(Buffer.from(known.publicKey).toString('hex'), 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a');
    const signature = known.sign(new Uint8Array(0));
    match(
      Buffer.from(signature).toString('hex'),
      /^e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b$/,
    );
    ok(verifyEd25519(known.publicKey, new Uint8Array(0), signature));
    ok(!verifyEd25519(known.publicKey, new Uint8Array(1), signature));
    ok(!verifyEd25519(known.publicKey, new Uint8Array(0), signature.subarray(1)));
    const { pem, signer: made } = generateEd25519();
    deepEqual(ed25519FromPem(pem).publicKey, made.publicKey);
    deepEqual(ed25519PublicFromPem(ed25519PublicToPem(made.publicKey)), made.publicKey);
  });

  test('other keys are refused without being shown', () => {
    throws(() => ed25519FromPem('-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----'), {
      code: 'CORDON-9006',
      observed: undefined,
    });
    throws(() => ed25519FromSeed(new Uint8Array(31)), { code: 'CORDON-9006', observed: '31 bytes' });
    throws(() => verifyEd25519(new Uint8Array(3), new Uint8Array(0), new Uint8Array(64)), { code: 'CORDON-9006' });
  });
});

describe('[RFC8785] leaves and frames', () => {
  test('a leaf is canonical, drops what is absent, and is read back', () => {
    equal(
      encodeLeaf(record(1)),
      '{"act":"release","actor":"spiffe://desk.example/operator/ann","schema":"cordon.act/v1","target":"agent-1","ts":"2026-11-22T10:00:00.000Z"}',
    );
    equal(canonicalJson({ b: undefined, a: 1 }), '{"a":1}');
    deepEqual({ ...decodeLeaf(leaf(1)) }, record(1));
    throws(() => decodeLeaf(Buffer.from('{"schema":"other/v1"}')), { code: 'CORDON-9011' });
    throws(() => decodeLeaf(Buffer.from('{"schema":"cordon.act/v1","schema":"cordon.act/v1"}')), {
      code: 'CORDON-9011',
    });
  });

  test('what would lose something in JSON is refused', () => {
    for (const value of [Number.NaN, Infinity, 2n ** 60n, '\ud800', undefined]) {
      throws(() => canonicalJson(value), { code: 'CORDON-9004', message: /no canonical/ }, String(value));
    }
  });

  const frames = [0, 1, 2, 3].map((n) => encodeFrame(256 + n, encodeLeaf(record(n))));
  const segment = Buffer.concat(frames.map(({ bytes }) => bytes));
  const endOf = (n: number): number => frames.slice(0, n + 1).reduce((sum, { bytes }) => sum + bytes.byteLength, 0);

  test('a journal cut at any byte keeps every whole frame', () => {
    for (let length = 0; length <= segment.length; length++) {
      const whole = [0, 1, 2, 3].filter((n) => endOf(n) <= length).length;
      const scan = scanFrames(segment.subarray(0, length), 256);
      const clean = length === 0 || length === endOf(whole - 1);
      deepEqual([scan.ends.length, scan.tail], [whole, clean ? 'clean' : 'torn'], `${length} bytes`);
    }
  });

  test('a journal with any bit flipped before its last frame is damaged, in the last leaf torn', () => {
    for (let at = 0; at < segment.length; at++) {
      const bent = Buffer.from(segment);
      bent[at] = (bent[at] ?? 0) ^ (1 << (at % 8));
      const scan = scanFrames(bent, 256);
      // a whole frame under a wrong number was never written so
      equal(scan.tail, at < endOf(2) + 8 ? 'damaged' : 'torn', `byte ${at}`);
      equal(scan.ends.length, [0, 1, 2, 3].filter((n) => endOf(n) <= at).length);
    }
  });

  test('a frame is read back only under its own number and hash', () => {
    const [first, second] = frames;
    ok(first !== undefined && second !== undefined);
    deepEqual(leafOf(first.bytes, 256, first.hash), leaf(0));
    equal(leafOf(first.bytes, 257, first.hash), undefined);
    equal(leafOf(first.bytes, 256, second.hash), undefined);
    equal(leafOf(Buffer.concat([first.bytes, Buffer.of(0)]), 256, first.hash), undefined);
    deepEqual(scanFrames(segment, 0).tail, 'damaged', 'frames of other entries');
  });
});

describe('append', () => {
  const memory = (): AppendOnly & { frames: Frame[] } => {
    const frames: Frame[] = [];
    return {
      origin: ORIGIN,
      frames,
      get size() {
        return frames.length;
      },
      write: (frame) => void frames.push(frame),
    };
  };

  test('[I3] the receipt names what was written, and without a write there is none', () => {
    const log = memory();
    append(log, record(0));
    deepEqual(append(log, record(1)), { log: ORIGIN, seq: 1, leafHash: hex(leafHash(leaf(1))) });
    const full = {
      ...log,
      write: () => {
        throw new Error('full');
      },
    };
    throws(() => append(full, record(2)), /full/);
    throws(() => append(log, { ...record(2), reason: 'x'.repeat(65_536) }), {
      code: 'CORDON-9004',
      message: /too large/,
    });
    equal(log.frames.length, 2);
  });
});

describe('entry proofs', () => {
  const proofOf = async (log: MemoryLog, index: number, size: number): Promise<EntryProof> => ({
    index,
    hashes: await inclusionProof(log, index, size),
    checkpoint: Buffer.from(log.checkpoint).toString(),
  });

  test('a tlog-proof file proves its entry and no other', async () => {
    const log = new MemoryLog(leaves(300));
    const text = formatEntryProof(await proofOf(log, 270, 300));
    match(text, /^c2sp\.org\/tlog-proof@v1\nindex 270\n(?:[A-Za-z0-9+/]{43}=\n)+\ndesk\.example/);
    const proof = parseEntryProof(text);
    ok(verifyEntryProof(proof, leaf(270), key));
    ok(!verifyEntryProof(proof, leaf(271), key));
    const alone = parseEntryProof(formatEntryProof(await proofOf(new MemoryLog(leaves(1)), 0, 1)));
    ok(verifyEntryProof(alone, leaf(0), key));
  });

  test('other texts are refused', () => {
    for (const text of [
      '',
      'c2sp.org/tlog-proof@v1\nindex 01\n\nx',
      'c2sp.org/tlog-proof@v2\nindex 1\n\nx',
      'c2sp.org/tlog-proof@v1\nindex 1\nAAAA\n\nx',
    ]) {
      throws(() => parseEntryProof(text), { code: 'CORDON-9011' }, text);
    }
  });
});

describe('verify', () => {
  const first = ({ findings: [finding] }: Verification): Finding | undefined => finding;
  const SIZE = 600;
  const log = (): MemoryLog => new MemoryLog(leaves(SIZE));
  const verify = (files: MemoryLog, pinned?: Uint8Array): Promise<Verification> =>
    verifyLog(files, key, pinned === undefined ? {} : { pinned });

  test('an untouched log is VERIFIED, says what was checked and what was not', async () => {
    const result = await verify(log());
    equal(result.result, 'VERIFIED');
    deepEqual(result.checked, { checkpoints: 1, entries: 600, bundles: 3, tiles: 4 });
    deepEqual([result.origin, result.size, result.wrong], [ORIGIN, 600, 0]);
    match(result.notChecked.join('\n'), /pinned checkpoint[^]*journal[^]*witnesses/);
    equal((await verify(new MemoryLog([]))).result, 'VERIFIED');
  });

  test('a log that has moved on since its checkpoint still verifies: full tiles stand in for partial ones', async () => {
    const later = new MemoryLog(leaves(800));
    const files = new MemoryLog(leaves(SIZE)).without('tile/entries/002.p/88').without('tile/0/002.p/88');
    for (const [path, bytes] of later.files) if (path !== 'checkpoint') files.files.set(path, bytes);
    equal((await verify(files)).result, 'VERIFIED');
  });

  test('ALTERED entry: its number, the signed hash and the observed one', async () => {
    const files = log();
    const at = Buffer.from(files.files.get('tile/entries/001') ?? []).indexOf('agent-300"');
    const result = await verify(files.flip('tile/entries/001', at + 6));
    equal(result.result, 'ALTERED');
    deepEqual(
      result.findings.map(({ seq }) => seq),
      [300],
    );
    equal(first(result)?.expected, hex(leafHash(leaf(300))));
    notEqual(first(result)?.observed, first(result)?.expected);
    match(first(result)?.message ?? '', /^entry altered/);
  });

  test('ALTERED leaf hash, upper tile, root: each is named', async () => {
    const tile = await verify(log().flip('tile/0/001', 5 * 32));
    deepEqual(
      [tile.result, first(tile)?.seq, first(tile)?.message],
      ['ALTERED', 261, 'leaf hash in the tile altered: the entry is the signed one'],
    );
    const upper = await verify(log().flip('tile/1/000.p/2', 40));
    deepEqual([upper.result, first(upper)?.path], ['ALTERED', 'tile/1/000.p/2']);
    const rewritten = new MemoryLog(leaves(SIZE).map((entry, n) => (n === 7 ? leaf(7000) : entry)));
    rewritten.files.set('checkpoint', log().checkpoint);
    const both = await verify(rewritten);
    deepEqual([both.result, first(both)?.seq], ['ALTERED', undefined]);
    match(first(both)?.message ?? '', /not with the signed root/);
  });

  test('missing tail is TRUNCATED, a hole is ALTERED', async () => {
    const tail = await verify(log().without('tile/entries/002.p/88'));
    deepEqual([tail.result, first(tail)?.seq, tail.checked.entries], ['TRUNCATED', 512, 512]);
    const more = await verify(log().without('tile/entries/002.p/88').without('tile/entries/001'));
    deepEqual([more.result, first(more)?.seq], ['TRUNCATED', 256]);
    const hole = await verify(log().without('tile/entries/001'));
    deepEqual([hole.result, first(hole)?.seq], ['ALTERED', 256]);
    match(hole.notChecked.join('\n'), /entries from 256 on/);
    for (const path of ['tile/0/000', 'tile/1/000.p/2']) equal((await verify(log().without(path))).result, 'ALTERED', path);
  });

  test('no checkpoint, no signature, another key, another log', async () => {
    equal((await verify(log().without('checkpoint'))).result, 'UNSIGNED');
    const unsigned = log();
    unsigned.files.set('checkpoint', unsigned.checkpoint.subarray(0, Buffer.from(unsigned.checkpoint).indexOf('\n\n') + 2));
    equal((await verify(unsigned)).result, 'UNSIGNED');
    const other = await verify(new MemoryLog(leaves(3), generateEd25519().signer));
    deepEqual([other.result, first(other)?.expected], ['KEY_NOT_TRUSTED', `\`${ORIGIN}+${key.id}\``]);
    equal((await verify(new MemoryLog(leaves(3), signer, 'other.example'))).result, 'KEY_NOT_TRUSTED');
    match(other.notChecked[0] ?? '', /every entry/);
  });

  test('a pinned checkpoint shows a log that was cut back or rewritten and signed anew', async () => {
    const pinned = new MemoryLog(leaves(500)).checkpoint;
    equal((await verify(log(), pinned)).result, 'VERIFIED');
    equal((await verify(log(), log().checkpoint)).result, 'VERIFIED');
    equal((await verify(log(), new MemoryLog([]).checkpoint)).result, 'VERIFIED');
    const cut = await verify(new MemoryLog(leaves(400)), pinned);
    deepEqual([cut.result, first(cut)?.seq, first(cut)?.expected], ['TRUNCATED', 400, 'size 500']);
    const forged = await verify(new MemoryLog(leaves(SIZE).map((entry, n) => (n === 3 ? leaf(9) : entry))), pinned);
    equal(forged.result, 'ALTERED');
    match(first(forged)?.message ?? '', /rewritten: at size 500/);
    await rejects(verify(log(), new MemoryLog(leaves(2), generateEd25519().signer).checkpoint), {
      code: 'CORDON-9011',
    });
  });

  test('thousands of altered entries are counted and the first hundred listed', async () => {
    const files = new MemoryLog(leaves(SIZE).map((_, n) => leaf(n + 1)));
    for (const path of ['checkpoint', 'tile/0/000', 'tile/0/001', 'tile/0/002.p/88', 'tile/1/000.p/2'])
      files.files.set(path, log().files.get(path) ?? new Uint8Array(0));
    const result = await verify(files);
    deepEqual([result.result, result.wrong, result.findings.length, first(result)?.seq], ['ALTERED', 600, 100, 0]);
  });

  test('no single flipped bit in any file passes', async () => {
    const paths = [...log().files.keys()];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...paths), fc.nat(), fc.integer({ min: 0, max: 7 }), async (path, at, bit) => {
        const files = log();
        files.flip(path, at % (files.files.get(path)?.byteLength ?? 1), bit);
        notEqual((await verify(files)).result, 'VERIFIED');
      }),
      { numRuns: 60 },
    );
  });

  test('hostile sizes end the walk instead of following it', async () => {
    const files = log();
    const head = { origin: ORIGIN, size: Number.MAX_SAFE_INTEGER, root: EMPTY_ROOT };
    files.files.set('checkpoint', Buffer.from(signCheckpoint(head, signer)));
    const result = await verify(files);
    deepEqual([result.result, result.checked.entries], ['TRUNCATED', 512]);
  });
});
