// What reads bytes of others, and what must hold of what it accepts.
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { isDeepStrictEqual } from 'node:util';
import { serversIn } from '../../src/cli/client-files.ts';
import { readJws } from '../../src/crypto/jws.ts';
import { isJsonObject, parseJson, writeJson, type Json } from '../../src/domain/json.ts';
import { PART_KINDS } from '../../src/domain/registry.ts';
import { Refusal } from '../../src/domain/refusal.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/domain/spiffe-id.ts';
import { decodeA2a, decodeA2aRest } from '../../src/gateway/a2a-decode.ts';
import type { Call } from '../../src/gateway/call.ts';
import { FRAME, FrameSplitter, readFrame, readList, readMessage } from '../../src/gateway/external/spop/frame.ts';
import { readLines } from '../../src/gateway/lines.ts';
import { decodeMcp } from '../../src/gateway/mcp-decode.ts';
import { decodeHeader, encodeHeader } from '../../src/gateway/mcp-headers.ts';
import { readSse } from '../../src/gateway/reply-body.ts';
import { routeOf } from '../../src/gateway/route.ts';
import { readSvid } from '../../src/identity/svid.ts';
import { certificatesOfDer, readSvidLeaf } from '../../src/identity/x509-svid.ts';
import { parseConfig } from '../../src/server/config.ts';
import { verifyProof } from '../../src/sts/dpop.ts';
import { headDiffers } from './http-head.ts';

/** @returns what is wrong with what was accepted; undefined: nothing. Throws a refusal, and nothing else, for what it does not accept. */
export type Decoder = (bytes: Buffer) => string | undefined | Promise<string | undefined>;

const BOUNDS = { maxBytes: 65_536, maxDepth: 64 };
const DOMAIN = parseTrustDomain('test.example');
const RUN = parseSpiffeId('spiffe://test.example/agent/caller/run/1');
const PEER = {
  agent: 'caller',
  run: '1',
  svid: { workload: { id: RUN, kind: 'agent', name: 'caller', run: '1' }, serial: '1', notBefore: 0, notAfter: 1 },
} as const;

/** Two readers agree: what is written from it is read as the same, and as `JSON.parse` reads what was received. */
function differs(bytes: Buffer, read: Json): string | undefined {
  const written = writeJson(read);
  if (writeJson(parseJson(Buffer.from(written), BOUNDS)) !== written) return 'what is written is read otherwise';
  const theirs: unknown = JSON.parse(bytes.toString());
  // as texts: `-0` and `0` are one number to policy, and `0` is what goes on
  return JSON.stringify(JSON.parse(written)) === JSON.stringify(theirs) ? undefined : '`JSON.parse` reads it otherwise';
}

/** Header lines, an empty line, the body. */
function requestIn(bytes: Buffer): readonly [IncomingMessage, Buffer] {
  const end = bytes.indexOf('\n\n');
  const req = new IncomingMessage(new Socket());
  for (const line of bytes.subarray(0, Math.max(0, end)).toString('latin1').split('\n')) {
    const [name = '', ...value] = line.split(': ');
    req.headers[name.toLowerCase()] = value.join(': ');
  }
  return [req, bytes.subarray(end + 2)];
}

/** INVARIANT I2: what goes on is read as what was decided on. */
function forwardedDiffers({ request, plan }: Call): string | undefined {
  const { input } = request.context;
  const goesOn = 'args' in plan ? plan.args : 'params' in plan ? plan.params : undefined;
  if ('args' in plan && !isDeepStrictEqual(plan.args, input)) return 'decided on other arguments than go on';
  if (goesOn === undefined || !isJsonObject(goesOn)) return undefined;
  const again = parseJson(Buffer.from(writeJson(goesOn)), { maxBytes: 1_000_000, maxDepth: 80 });
  return writeJson(again) === writeJson(goesOn) ? undefined : 'what goes on is read otherwise';
}

const PARTS = new Set(PART_KINDS);

const proofOf = (bytes: Buffer): string => bytes.toString('latin1');

export const DECODERS: Readonly<Record<string, Decoder>> = {
  json: (bytes) => differs(bytes, parseJson(bytes, BOUNDS)),
  mcp(bytes) {
    const [req, body] = requestIn(bytes);
    const call = decodeMcp(req, {
      server: 'bench',
      peer: PEER,
      bytes: body,
      bounds: BOUNDS,
      known: () => true,
      setWire: () => undefined,
      definition: () => undefined,
    });
    return forwardedDiffers(call);
  },
  a2a(bytes) {
    const [req, body] = requestIn(bytes);
    return forwardedDiffers(decodeA2a(req, { peer: PEER, agent: 'callee', bytes: body, bounds: BOUNDS, accepts: PARTS }));
  },
  'a2a-rest'(bytes) {
    const [req, body] = requestIn(bytes);
    const [, method = '', target = ''] = /^([A-Z]+) (.*)$/.exec(String(req.headers['request-line'])) ?? [];
    Object.assign(req, { method });
    return forwardedDiffers(decodeA2aRest(req, target, { peer: PEER, agent: 'callee', bytes: body, bounds: BOUNDS, accepts: PARTS }));
  },
  'mcp-header'(bytes) {
    const value = decodeHeader(bytes.toString('latin1'));
    return decodeHeader(encodeHeader(value)) === value ? undefined : 'written and read again it is another value';
  },
  route(bytes) {
    const { name } = routeOf(bytes.toString('latin1'));
    return /^[a-z0-9-]+$/.test(name) ? undefined : 'a name with other characters';
  },
  async sse(bytes) {
    const half = bytes.length >> 1;
    const all = async (parts: Buffer[]): Promise<string[]> => {
      const messages: string[] = [];
      for await (const message of readSse(Readable.from(parts), BOUNDS)) messages.push(writeJson(message));
      return messages;
    };
    const whole = await all([bytes]);
    const pieces = await all([bytes.subarray(0, half), bytes.subarray(half)].filter((part) => part.length > 0));
    return isDeepStrictEqual(whole, pieces) ? undefined : 'in two pieces it is read otherwise';
  },
  async lines(bytes) {
    const lines: string[] = [];
    const stream = Readable.from([bytes.subarray(0, 7), bytes.subarray(7)].filter((part) => part.length > 0));
    readLines(stream, { maxBytes: 65_536, onLine: (line) => void lines.push(line.toString('latin1')), onTooLong: () => undefined });
    await new Promise((resolve) => void stream.once('end', resolve));
    const expected = bytes
      .toString('latin1')
      .split('\n')
      .slice(0, -1)
      .filter((line) => line !== '');
    return isDeepStrictEqual(lines, expected) ? undefined : 'other lines than there are';
  },
  'http-head': headDiffers,
  spoe(bytes) {
    const [whole, pieces] = [new FrameSplitter(MOST_FRAME), new FrameSplitter(MOST_FRAME)];
    const frames = [...whole.push(bytes)];
    const half = bytes.length >> 1;
    const again = [...pieces.push(bytes.subarray(0, half)), ...pieces.push(bytes.subarray(half))];
    if (!isDeepStrictEqual(frames.map(hexOf), again.map(hexOf))) return 'in two pieces it is read otherwise';
    if (frames.length === 0) throw new Refusal('CORDON-9011', 'no whole frame');
    for (const frame of frames) {
      const { type, payload } = readFrame(frame);
      if (type === FRAME.notify) while (!payload.done) readMessage(payload, MOST_ARGUMENTS);
      else readList(payload, MOST_ARGUMENTS);
    }
    return undefined;
  },
  svid(bytes) {
    certificatesOfDer(bytes);
    readSvidLeaf(bytes);
    const { workload } = readSvid(bytes, DOMAIN);
    return workload.id.startsWith('spiffe://test.example/') ? undefined : 'of another domain';
  },
  jws(bytes) {
    const { signed, signature } = readJws(bytes.toString('latin1'));
    return `${signed}.${Buffer.from(signature).toString('base64url')}` === bytes.toString('latin1')
      ? undefined
      : 'two spellings of one token';
  },
  dpop(bytes) {
    const expected = {
      method: 'POST',
      url: 'https://gateway.test/mcp/bench',
      now: PROVEN_AT,
      life: 60,
      skew: 5,
      replays: { use: () => undefined },
    };
    verifyProof(proofOf(bytes), expected);
    return PROOFS.has(proofOf(bytes)) ? undefined : 'a proof that its key did not sign';
  },
  'spiffe-id'(bytes) {
    const text = bytes.toString('latin1');
    return parseSpiffeId(text) === text ? undefined : 'another id than it says';
  },
  config: (bytes) => void parseConfig(bytes.toString('latin1'), '/x/cordon.yaml'),
  'client-file': (bytes) => void serversIn('/x/mcp.json', bytes.toString('latin1')),
};

/** Of SPOE. */
const MOST_FRAME = 65_536;
const MOST_ARGUMENTS = 16;
const hexOf = (frame: Uint8Array): string => Buffer.from(frame).toString('hex');

/** When the proofs of the corpus were made. Unix milliseconds. */
const PROVEN_AT = 1_795_000_000_000;
const PROOFS = new Set<string>();
/** Proofs that are sound. */
export const keepProofs = (corpus: readonly Buffer[]): void => corpus.forEach((proof) => void PROOFS.add(proofOf(proof)));
