// The wire form of a refusal by the control plane: RFC 9457 problem details, with everything an operator needs to go on.
import type { FastifyReply } from 'fastify';
import { CODES } from '../domain/codes.ts';
import { writeJson } from '../domain/json.ts';
import { Refusal, asRefusal } from '../domain/refusal.ts';

/** What the HTTP library says of a body it does not take. */
const BODY_STATUS: ReadonlySet<unknown> = new Set([400, 413, 415]);

/** Whatever a route threw, as a refusal. */
export function refusalOf(error: unknown): Refusal {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  if (BODY_STATUS.has(status)) return new Refusal('CORDON-9011', 'body not accepted', { cause: error });
  return asRefusal(error, 'CORDON-9001', 'the control plane failed');
}

/** Answers with a refusal; never a stack or a cause. */
export function sendProblem(reply: FastifyReply, refusal: Refusal): FastifyReply {
  const { title, status, kind, retryable } = CODES[refusal.code];
  const { code, message, observed, expected, fix } = refusal;
  const body = {
    schema: 'cordon.error/v1',
    type: 'about:blank',
    title,
    status,
    code,
    kind,
    message,
    ...(observed === undefined ? {} : { observed }),
    ...(expected === undefined ? {} : { expected }),
    fix: [{ cmd: fix }],
    retryable,
  };
  return reply.code(status).type('application/problem+json').send(writeJson(body));
}
