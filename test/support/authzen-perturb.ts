// A PDP that knows the right answers and can be made to give them wrongly: what a comparator is worth shows here.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isJsonArray, isJsonObject, type Json, type JsonObject, writeJson } from '../../src/domain/json.ts';
import type { Ask } from './authzen-run.ts';

/** An answer before it is sent. */
export interface Exact {
  readonly status: number;
  readonly body: Json;
}

interface Sent {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

type Perturbation = (exact: Exact) => Sent;

const sent = ({ status, body }: Exact, type = 'application/json'): Sent => ({ status, type, text: writeJson(body) });

/** Changes the body of an answer, and leaves errors as they are. */
const changed =
  (change: (body: JsonObject) => JsonObject): Perturbation =>
  (exact) =>
    sent(exact.status === 200 && isJsonObject(exact.body) ? { ...exact, body: change(exact.body) } : exact);

/** Changes the list of an answer that has one. */
const list = (change: (items: readonly Json[]) => readonly Json[]): Perturbation =>
  changed((body) => {
    const member = ['results', 'evaluations'].find((name) => isJsonArray(body[name]));
    const items = member === undefined ? undefined : body[member];
    return member === undefined || !isJsonArray(items) ? body : { ...body, [member]: change(items) };
  });

/** Changes every decision object, alone or in a batch. */
const decisions = (change: (decision: JsonObject) => JsonObject): Perturbation =>
  changed((body) => {
    if (body['decision'] !== undefined) return change(body);
    const items = body['evaluations'];
    return isJsonArray(items) ? { ...body, evaluations: items.map((item) => (isJsonObject(item) ? change(item) : item)) } : body;
  });

const isSearch = (body: JsonObject): boolean => body['results'] !== undefined;
const NOTE = { note: { of: 'the PDP' } };

/** Within the specification: a comparator that refuses them is wrong. */
export const LEGAL = {
  exact: changed((body) => body),
  'another context': (exact) =>
    sent({ ...exact, body: isJsonObject(exact.body) && isSearch(exact.body) ? { ...exact.body, context: NOTE } : exact.body }),
  'a context in every decision': decisions((one) => ({ ...one, context: NOTE })),
  'an empty next page': changed((body) => (isSearch(body) ? { ...body, page: { next_token: '' } } : body)),
  'a charset': (exact) => sent(exact, 'application/json; charset=utf-8'),
} as const satisfies Record<string, Perturbation>;

/** Outside of it, or wrong: a comparator that accepts them is worth nothing. */
export const ILLEGAL = {
  '500 for everything': (exact) => sent({ ...exact, status: 500 }),
  '200 and nothing else': (exact) => sent({ ...exact, status: 200, body: {} }),
  'the other decision': decisions(({ decision, ...one }) => ({ ...one, decision: decision !== true })),
  'always yes': decisions((one) => ({ ...one, decision: true })),
  'always no': decisions((one) => ({ ...one, decision: false })),
  'a decision in words': decisions((one) => ({ ...one, decision: JSON.stringify(one['decision']) })),
  'garbage for every id': list((items) => items.map((item) => (isJsonObject(item) ? garbage(item) : item))),
  'results of another type': list((items) => items.map((item) => (isJsonObject(item) && 'type' in item ? { ...item, type: 'x' } : item))),
  'one missing': list((items) => items.slice(1)),
  'one twice': list((items) => [...items.slice(0, 1), ...items]),
  'no results': changed((body) => (isSearch(body) ? { ...body, results: [] } : body)),
  'reversed order': list((items) => items.toReversed()),
  'a null': changed((body) => ({ ...body, context: null })),
  'a null deep inside': changed((body) => ({ ...body, context: { a: [{ b: null }] } })),
  'a page without a token': changed((body) => (isSearch(body) ? { ...body, page: { count: 1 } } : body)),
  'text/plain': (exact) => sent(exact, 'text/plain'),
  'a key twice': (exact) => {
    const { text, ...rest } = sent(exact);
    return { ...rest, text: text.startsWith('{"') ? text.replace('{"', '{"context":{},"context":{},"') : text };
  },
  'half of it': (exact) => {
    const { text, ...rest } = sent(exact);
    return { ...rest, text: exact.status === 200 ? text.slice(0, -1) : text };
  },
} as const satisfies Record<string, Perturbation>;

const PERTURBATIONS: ReadonlyMap<string, Perturbation> = new Map(Object.entries<Perturbation>({ ...LEGAL, ...ILLEGAL }));

const garbage = (item: JsonObject): JsonObject => ({ ...item, [item['name'] === undefined ? 'id' : 'name']: 'garbage' });

/** The right answer to a request. */
export type Exactly = (path: string, body: string, type: string) => Exact;

/** A PDP in this process: for many questions. */
export function perturbedPdp(exactly: Exactly, perturbation: string): Ask {
  const perturb = perturbationOf(perturbation);
  return async (path, body = '', headers) => {
    const { status, type, text } = perturb(exactly(path, body, headers['Content-Type'] ?? 'application/json'));
    return { status, headers: { 'content-type': type }, text };
  };
}

const perturbationOf = (name: string): Perturbation => PERTURBATIONS.get(name) ?? unknown(name);

export interface PerturbedServer {
  /** How it is asked; `perturbation` is in force from then on. */
  as(perturbation: string): Ask;
  close(): Promise<void>;
}

/** A PDP on loopback, over HTTP. */
export async function servePerturbed(exactly: Exactly): Promise<PerturbedServer> {
  let perturb: Perturbation = LEGAL.exact;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const exact = exactly(request.url ?? '', Buffer.concat(chunks).toString(), request.headers['content-type'] ?? '');
      const { status, type, text } = perturb(exact);
      const id = request.headers['x-request-id'];
      response.writeHead(status, { 'content-type': type, ...(typeof id === 'string' ? { 'x-request-id': id } : {}) }).end(text);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    as(perturbation) {
      perturb = perturbationOf(perturbation);
      return async (path, body, headers) => {
        const method = body === undefined ? 'GET' : 'POST';
        const sending = { method, headers: { 'content-type': 'application/json', ...headers }, ...(body === undefined ? {} : { body }) };
        const reply = await fetch(`http://127.0.0.1:${port}${path}`, sending);
        return { status: reply.status, headers: Object.fromEntries(reply.headers), text: await reply.text() };
      };
    },
    async close(): Promise<void> {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function unknown(perturbation: string): never {
  throw new Error(`no perturbation is called \`${perturbation}\``);
}
