// Envoy `ext_authz` v3: one gRPC call for each request, with its headers, body and the certificate that its caller has shown.
// Trap: an answer without a status is an allow (`status.code` 0 is the value of an unset field), so every answer is made by `responseOf`, and a
// call that fails before it ends with a gRPC error, which Envoy denies unless it is told `failure_mode_allow`.
import { Server, ServerCredentials, status, type handleUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import type { Pep } from '../pep.ts';
import { answer, type Answer } from './answer.ts';
import type { Asked } from './asked.ts';
import type { Door } from './door.ts';
import { EXT_AUTHZ } from './ext-authz-descriptor.ts';
import type { Status } from './no.ts';
import type { Plane } from './plane.ts';
import { escapedPem } from './shown.ts';

interface HeaderValue {
  readonly key: string;
  readonly value: string;
  readonly raw_value: Buffer;
}

/** What is read of `envoy.service.auth.v3.CheckRequest`; a message that was not sent is null. */
interface CheckRequest {
  readonly attributes: {
    readonly source: { readonly certificate: string } | null;
    readonly request: { readonly http: HttpRequest | null } | null;
  } | null;
}

interface HttpRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly header_map: { readonly headers: readonly HeaderValue[] } | null;
  readonly path: string;
  readonly body: string;
  readonly raw_body: Buffer;
}

interface HeaderOption {
  readonly header: { readonly key: string; readonly value: string };
  /** It replaces what is there. */
  readonly append: { readonly value: false };
}

interface CheckResponse {
  /** Of google.rpc.Code. */
  readonly status: { readonly code: number; readonly message: string };
  readonly ok_response?: { readonly headers: readonly HeaderOption[]; readonly headers_to_remove: readonly string[] };
  readonly denied_response?: {
    readonly status: { readonly code: Status };
    readonly headers: readonly HeaderOption[];
    readonly body: string;
  };
}

/** How messages look in JavaScript: the names of the fields as they stand in the specification. */
const MESSAGES = { keepCase: true, defaults: true, enums: String, longs: String };

/** Beside the body: headers, certificate and token. Bytes. */
const BESIDE_BODY = 131_072;

export function extAuthzDoor(pep: Pep, plane: Plane): Door {
  const server = new Server({
    'grpc.max_receive_message_length': pep.settings.maxBodyBytes + BESIDE_BODY,
    'grpc.max_concurrent_streams': 1_024,
  });
  const check: handleUnaryCall<CheckRequest, CheckResponse> = ({ request }, done) => void respond(pep, plane, request, done);
  server.addService(serviceOf('envoy.service.auth.v3.Authorization'), { Check: check });
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  return {
    accept: (socket) => injector.injectConnection(socket),
    close(): void {
      injector.destroy();
      server.forceShutdown();
    },
  };
}

/** INVARIANT I1: what fails denies. */
async function respond(pep: Pep, plane: Plane, request: CheckRequest, done: sendUnaryData<CheckResponse>): Promise<void> {
  let response: CheckResponse | undefined;
  try {
    response = responseOf(await answer(pep, plane, askedBy(request)));
  } catch {
    response = undefined;
  }
  if (response === undefined) done({ code: status.INTERNAL });
  else done(null, response);
}

function serviceOf(name: string): Parameters<Server['addService']>[0] {
  const found = fromJSON(EXT_AUTHZ, MESSAGES)[name];
  if (found === undefined || 'format' in found) throw new Error(`no service \`${name}\``);
  return found;
}

const NOTHING: HttpRequest = { method: '', headers: {}, header_map: null, path: '', body: '', raw_body: Buffer.alloc(0) };

function askedBy({ attributes }: CheckRequest): Asked {
  const http = attributes?.request?.http ?? NOTHING;
  const [said, others] = takeOut(headersOf(http), 'x-envoy-auth-partial-body');
  const partial = said.length > 1 ? 'true' : said[0]; // one of them is the client's
  return {
    method: http.method,
    target: http.path,
    // of a body that is whole it does not matter in what pieces it came
    headers: partial === 'false' ? takeOut(others, 'transfer-encoding')[1] : others,
    shown: escapedPem(attributes?.source?.certificate ?? ''),
    body: bodyOf(http, others, partial),
  };
}

/** Names and values, without the pseudo headers of HTTP/2. As they were sent where Envoy says so (`encode_raw_headers`), else joined by name. */
function headersOf({ headers, header_map: map }: HttpRequest): readonly string[] {
  const sent = (map?.headers ?? []).map(({ key, value, raw_value: raw }): [string, string] => [
    key,
    raw.length > 0 ? raw.toString('latin1') : value,
  ]);
  const pairs = sent.length > 0 ? sent : Object.entries(headers);
  return pairs.filter(([name]) => !name.startsWith(':')).flat();
}

/** The values of a header, and the others. */
function takeOut(headers: readonly string[], name: string): readonly [readonly string[], readonly string[]] {
  const isIt = (at: number): boolean => headers[at - (at % 2)]?.toLowerCase() === name;
  return [headers.filter((_, at) => at % 2 === 1 && isIt(at)), headers.filter((_, at) => !isIt(at))];
}

const BODILESS = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS']);

/** The body, where Envoy says that it is whole; a request that has none is only one that announces none. */
function bodyOf({ method, body, raw_body: raw }: HttpRequest, headers: readonly string[], partial: string | undefined): Asked['body'] {
  if (body !== '') return 'incomplete'; // as a text it may be another: bytes that are no UTF-8 were replaced (`pack_as_bytes: true`)
  if (partial === undefined) {
    const announced = headers.some(
      (name, at) => at % 2 === 0 && /^(?:content-length|transfer-encoding)$/i.test(name) && headers[at + 1] !== '0',
    );
    return announced || !BODILESS.has(method) || raw.length > 0 ? 'incomplete' : raw;
  }
  return partial === 'false' && raw.length > 0 ? raw : 'incomplete';
}

/** google.rpc.Code by status of HTTP. */
const CODES: Readonly<Record<Status, number>> = {
  401: status.UNAUTHENTICATED,
  403: status.PERMISSION_DENIED,
  404: status.NOT_FOUND,
  429: status.RESOURCE_EXHAUSTED,
  503: status.UNAVAILABLE,
};

function responseOf(answered: Answer): CheckResponse {
  if (answered.allowed) {
    const { headers, remove } = answered;
    return { status: { code: status.OK, message: '' }, ok_response: { headers: optionsOf(headers), headers_to_remove: remove } };
  }
  const { status: code, code: why, headers, body } = answered;
  return { status: { code: CODES[code], message: why }, denied_response: { status: { code }, headers: optionsOf(headers), body } };
}

const optionsOf = (headers: Readonly<Record<string, string>>): readonly HeaderOption[] =>
  Object.entries(headers).map(([key, value]) => ({ header: { key, value }, append: { value: false } }));
