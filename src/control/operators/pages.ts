// The listener of the pages where operators sign in and answer requests for approval: plain HTTP on loopback, a secure context for the browser, or behind the operator's
// own TLS under another origin. It holds no session and sets no cookie; what a page proves goes to the terminal that asked.
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import * as z from 'zod';
import { writeJson, type Json } from '../../domain/json.ts';
import { Refusal, asRefusal } from '../../domain/refusal.ts';
import { inputOf } from '../input.ts';
import { refusalOf, sendProblem } from '../problem.ts';
import { PAGE, SCRIPT, STYLE } from './page-text.ts';
import type { Passkeys } from './passkeys.ts';
import type { Provider } from './provider.ts';
import type { BegunVisit, RequestVisits } from './request-visits.ts';
import type { SignIns } from './sign-in.ts';

const MAX_BODY = 65_536;
/** Requests in a minute, of everybody together: people, not programs. */
const PER_MINUTE = 600;

export interface PageParts {
  readonly origin: URL;
  readonly signIns: SignIns;
  readonly passkeys: Passkeys;
  readonly provider: Provider | undefined;
  readonly requests: RequestVisits;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Told of what was refused, for the record. */
  readonly refused: (refusal: Refusal, action: string) => void;
}

export interface Pages {
  listen(host: string, port: number): Promise<void>;
  close(): Promise<void>;
}

const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
};

const login = z.strictObject({ login: z.string().regex(/^[0-9A-Z]{20}$/) });
const link = z.strictObject({ link: z.string().regex(/^[\w-]{43}$/) });
const withResponse = { response: z.unknown() };
const wanted = z.strictObject({ request: z.string().regex(/^[0-9a-f]{64}$/) });
const signed = z.strictObject({ visit: z.string().regex(/^[0-9A-Z]{20}$/), ...withResponse });
const ofGrant = { id: z.string().regex(/^gr_[0-9A-Z]{10}$/) };
const given = z.discriminatedUnion('answer', [
  z.strictObject({ ...ofGrant, answer: z.literal('approve') }),
  z.strictObject({ ...ofGrant, answer: z.literal('refuse'), reason: z.string().trim().min(1).max(500) }),
]);

/** What a page asks for: one row a question. */
const questions = ({
  signIns,
  passkeys,
  provider,
  requests,
}: PageParts): Readonly<Record<string, (body: unknown) => Json | Promise<Json>>> => ({
  '/sign-in/view': (body) => ({ ...signIns.view(inputOf(login, body).login), oidc: provider !== undefined }),
  '/sign-in/challenge': async (body) => {
    const asked = inputOf(login, body).login;
    signIns.view(asked);
    return { options: jsonOf(await passkeys.challenge(asked)) };
  },
  '/sign-in/passkey': async (body) => {
    const { login: asked, response } = inputOf(login.extend(withResponse), body);
    const operator = await passkeys.verify(asked, response);
    signIns.approve(asked, operator, 'passkey');
    return { operator };
  },
  '/sign-in/enrolment': async (body) => {
    const { operator, options } = await passkeys.enrolment(inputOf(link, body).link);
    return { operator, options: jsonOf(options) };
  },
  '/sign-in/enrol': async (body) => {
    const { link: secret, response } = inputOf(link.extend(withResponse), body);
    return { operator: await passkeys.enrol(secret, response) };
  },
  '/request/begin': async (body) => begun(await requests.begin(inputOf(wanted, body).request)),
  '/request/show': (body) => {
    const { visit, response } = inputOf(signed, body);
    return requests.show(visit, response);
  },
  '/request/begin-answer': async (body) => {
    const { id, ...answer } = inputOf(given, body);
    return begun(await requests.beginAnswer(id, answer));
  },
  '/request/answer': (body) => {
    const { visit, response } = inputOf(signed, body);
    return requests.answer(visit, response);
  },
});

const begun = ({ visit, options }: BegunVisit): Json => ({ visit, options: jsonOf(options) });

/** What the WebAuthn library makes for the browser is JSON already. */
// oxlint-disable-next-line typescript/no-unsafe-return -- JSON.parse of JSON.stringify
const jsonOf = (value: object): Json => JSON.parse(JSON.stringify(value));

export function createPages(parts: PageParts): Pages {
  const app = Fastify({ bodyLimit: MAX_BODY, requestTimeout: 30_000, forceCloseConnections: true, logger: false });
  const within = createBudget(parts.now);
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS);
    if (!within()) throw new Refusal('CORDON-4003', 'too many requests');
    checkOrigin(request, parts.origin);
  });
  app.setErrorHandler((error, request, reply) => {
    const refusal = refusalOf(error);
    if (refusal.row.kind === 'identity' || refusal.row.kind === 'access')
      parts.refused(refusal, `sign-in/${request.method} ${request.routeOptions.url ?? ''}`);
    return sendProblem(reply, refusal);
  });
  app.setNotFoundHandler((_request, reply) => sendProblem(reply, new Refusal('CORDON-3003', 'no such page')));
  const serve = (path: string, type: string, text: string): void => void app.get(path, (_request, reply) => reply.type(type).send(text));
  serve('/', 'text/html; charset=utf-8', PAGE);
  serve('/sign-in.css', 'text/css; charset=utf-8', STYLE);
  serve('/sign-in.js', 'text/javascript; charset=utf-8', SCRIPT);
  for (const [path, answer] of Object.entries(questions(parts))) {
    app.post(path, async (request, reply) => reply.type('application/json').send(writeJson(await answer(request.body))));
  }
  if (parts.provider !== undefined) serveProvider(app, parts, parts.provider);
  return {
    listen: async (host, port): Promise<void> => void (await app.listen({ host, port })),
    close: () => app.close(),
  };
}

/** A page of elsewhere cannot ask in the name of its visitor, and a name that was rebound to this address does not reach it. */
function checkOrigin({ headers, method }: FastifyRequest, { host, origin }: URL): void {
  if (headers.host !== host) throw new Refusal('CORDON-3008', 'this host is not served here', { expected: host });
  if (method === 'POST' && headers.origin !== origin) throw new Refusal('CORDON-3008', 'asked from another page', { expected: origin });
}

function createBudget(now: () => number): () => boolean {
  let minute = 0;
  let count = 0;
  return () => {
    const current = Math.floor(now() / 60_000);
    count = current === minute ? count + 1 : 1;
    minute = current;
    return count <= PER_MINUTE;
  };
}

/** The way to the provider and back. Whatever happens there, the person sees a page of ours. */
function serveProvider(app: FastifyInstance, { origin, signIns, refused }: PageParts, provider: Provider): void {
  const back = (reply: FastifyReply, query: Readonly<Record<string, string>>): FastifyReply =>
    reply.redirect(`/?${new URLSearchParams(query).toString()}`, 303);
  const guarded = async (reply: FastifyReply, work: () => Promise<FastifyReply>): Promise<FastifyReply> => {
    try {
      return await work();
    } catch (error) {
      const refusal = asRefusal(error, 'CORDON-9001', 'signing in failed');
      refused(refusal, 'sign-in/oidc');
      return back(reply, { problem: refusal.code });
    }
  };
  app.get('/sign-in/oidc', (request, reply) =>
    guarded(reply, async () => {
      const { login: asked } = inputOf(login, request.query);
      signIns.view(asked);
      return reply.redirect((await provider.begin(asked)).href, 303);
    }),
  );
  app.get('/sign-in/oidc/callback', (request, reply) =>
    guarded(reply, async () => {
      const { login: asked, name } = await provider.finish(new URL(request.url, origin));
      signIns.approve(asked, name, 'oidc');
      return back(reply, { 'signed-in': name });
    }),
  );
}
