// What the OAuth endpoints have in common on the wire: no header twice, no answer kept by a cache, errors as RFC 6749 §5.2 writes them.
import type { IncomingMessage } from 'node:http';
import type { FastifyReply } from 'fastify';
import { type JsonObject, writeJson } from '../../domain/json.ts';
import { Refusal } from '../../domain/refusal.ts';
import { inStage, type OAuthError, oauthErrorOf, type Stage } from '../../sts/errors.ts';
import { refusalOf } from '../problem.ts';

/** The value of a header that may come once. @throws Refusal CORDON-9011 when it came more often */
export function headerOf({ rawHeaders }: IncomingMessage, name: string): string | undefined {
  const values = rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === name);
  if (values.length > 1) throw new Refusal('CORDON-9011', `the header \`${name}\` came twice`);
  return values[0];
}

/** Does what takes time, as a part of that stage. @throws OAuthRefusal */
export async function during<T>(stage: Stage, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    return inStage(stage, () => {
      throw refusalOf(error);
    });
  }
}

/** RFC 6749 §5.1: what is answered is for nobody else. */
export const sendJson = (reply: FastifyReply, body: JsonObject, status = 200): FastifyReply =>
  reply.code(status).header('cache-control', 'no-store').header('pragma', 'no-cache').type('application/json').send(writeJson(body));

/** RFC 6749 §5.2 allows no quotation marks and no back slashes in a description, and only ASCII. */
const described = (text: string): string =>
  text
    .replaceAll(/["\\]/g, "'")
    .replaceAll(/[^\x20-\x7e]/g, '?')
    .slice(0, 400);

/** RFC 6749 §5.2: 400, or 401 for a client that is not known; RFC 6585 §4 for one that asks too often. */
const STATUS: Readonly<Partial<Record<OAuthError, number>>> = { invalid_client: 401, temporarily_unavailable: 503, server_error: 500 };

export interface Challenge {
  /** What a 401 asks for. */
  readonly scheme: string;
  /** The nonce for the next proof. */
  readonly nonce: string;
}

/** What failed in here is told to operators, not to clients. */
export function sendError(reply: FastifyReply, refusal: Refusal, { scheme, nonce }: Challenge): FastifyReply {
  const error = oauthErrorOf(refusal, 'request');
  const status = refusal.code === 'CORDON-4003' ? 429 : (STATUS[error] ?? 400);
  const description = described(`${refusal.code}: ${status >= 500 ? refusal.row.title : refusal.message}`);
  if (status === 401) void reply.header('www-authenticate', `${scheme}, error="${error}", error_description="${description}"`);
  if (status === 429) void reply.header('retry-after', '1');
  if (error === 'use_dpop_nonce' || error === 'invalid_dpop_proof') void reply.header('dpop-nonce', nonce);
  return sendJson(reply, { error, error_description: description }, status);
}
