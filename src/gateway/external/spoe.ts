// HAProxy, which asks over SPOE and shows the body. A request comes as one message, `cordon`, with what HAProxy itself knows of it; the answer
// sets variables, and the configuration of HAProxy acts on them. No answer, or one without `verdict=allow`, denies there.
import type { Duplex } from 'node:stream';
import { createFailureRecorder } from '../failures.ts';
import type { Pep } from '../pep.ts';
import { answer, type Answer } from './answer.ts';
import type { Asked } from './asked.ts';
import type { Door } from './door.ts';
import { enforcerOf, type Plane } from './plane.ts';
import { plainDer } from './shown.ts';
import { serveSpop } from './spop/session.ts';
import { SpopError, SpopReader, type Typed } from './spop/typed.ts';

/** Beside the body: headers, certificate and token. Bytes. */
const BESIDE_BODY = 131_072;

export function spoeDoor(pep: Pep, plane: Plane): Door {
  const sockets = new Set<Duplex>();
  const failures = createFailureRecorder(pep);
  return {
    accept(socket): void {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      serveSpop({
        socket,
        maxFrameSize: pep.settings.maxBodyBytes + BESIDE_BODY,
        onMessage: async (name, args) => variablesOf(await answer(pep, plane, askedBy(name, args))),
        onRefused: (refusal) => failures.plane(refusal, enforcerOf(plane)),
      });
    },
    close(): void {
      for (const socket of sockets) socket.destroy();
    },
  };
}

const ARGUMENTS = new Set(['method', 'target', 'headers', 'certificate', 'body', 'size']);

/** @throws SpopError for a message that was configured in another way */
function askedBy(name: string, args: ReadonlyMap<string, Typed>): Asked {
  const unknown = name === 'cordon' ? [...args.keys()].find((key) => !ARGUMENTS.has(key)) : name;
  if (unknown !== undefined) throw new SpopError('invalid', `\`${unknown.slice(0, 60)}\` is not asked for`);
  const certificate = args.get('certificate');
  return {
    method: textIn(args, 'method'),
    target: textIn(args, 'target'),
    headers: headersIn(bytesIn(args, 'headers')),
    shown: certificate instanceof Uint8Array ? plainDer(certificate) : undefined,
    body: bodyIn(args),
  };
}

function textIn(args: ReadonlyMap<string, Typed>, name: string): string {
  const value = args.get(name);
  if (typeof value !== 'string') throw new SpopError('invalid', `no text \`${name}\``);
  return value;
}

function bytesIn(args: ReadonlyMap<string, Typed>, name: string): Uint8Array {
  const value = args.get(name);
  if (value instanceof Uint8Array) return value;
  throw new SpopError('invalid', `no bytes \`${name}\``);
}

/** `req.hdrs_bin`: names and values until an empty pair. Values are bytes, as everywhere in HTTP. */
function headersIn(bytes: Uint8Array): readonly string[] {
  const reader = new SpopReader(bytes);
  const headers: string[] = [];
  for (;;) {
    const [name, value] = [reader.bytes(), reader.bytes()].map((part) => Buffer.from(part).toString('latin1'));
    if (name === '' && value === '') break;
    if (name === undefined || value === undefined || name === '') throw new SpopError('invalid', 'a header without a name');
    headers.push(name, value);
  }
  if (!reader.done) throw new SpopError('invalid', 'something after the headers');
  return headers;
}

/** The body, if it is all there; of one that is not nothing is decided (`incomplete`). */
function bodyIn(args: ReadonlyMap<string, Typed>): Asked['body'] {
  const [body, size] = [args.get('body') ?? new Uint8Array(), args.get('size') ?? 0];
  if (!(body instanceof Uint8Array) || typeof size !== 'number') throw new SpopError('invalid', '`body` or `size`');
  return size === body.length ? body : 'incomplete';
}

/** Names of variables have no `-`. */
const named = (header: string): string => header.replaceAll('-', '_');

function variablesOf(answered: Answer): Readonly<Record<string, string | number>> {
  const decision = answered.decisionId === undefined ? {} : { cordon_decision: answered.decisionId };
  if (answered.allowed) {
    const headers = Object.entries(answered.headers).map(([name, value]): [string, string] => [named(name), value]);
    return { verdict: 'allow', ...decision, ...Object.fromEntries<string>(headers) };
  }
  const { status, code, body, headers } = answered;
  const challenge = headers['www-authenticate'];
  return { verdict: 'deny', status, code, problem: body, ...(challenge === undefined ? {} : { challenge }), ...decision };
}
