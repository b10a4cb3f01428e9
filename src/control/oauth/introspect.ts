// Token introspection (RFC 7662). Who asks is known; whoever may not know of a token is told what everybody is told of one that is dead.
import type { FastifyReply } from 'fastify';
import type { JsonObject } from '../../domain/json.ts';
import { Refusal } from '../../domain/refusal.ts';
import { taskClaims, type TaskToken } from '../../sts/task-token.ts';
import { refusalOf } from '../problem.ts';
import type { OauthClient } from './client.ts';
import { sendJson } from './http.ts';
import { checkLiving, readOwn } from './known-token.ts';
import type { OauthRequest } from './request.ts';

export async function introspect({ control, client, form, reply }: OauthRequest): Promise<FastifyReply> {
  const token = form.get('token');
  if (token === undefined) throw new Refusal('CORDON-9011', '`token` is missing');
  return sendJson(reply, factsOf(token));

  function factsOf(shown: string): JsonObject {
    try {
      const read = readOwn(control, shown);
      checkLiving(control, read);
      return mayKnow(client, read) ? { active: true, ...taskClaims(read), token_type: tokenTypeOf(read) } : INACTIVE;
    } catch (error) {
      if (refusalOf(error).row.kind === 'system') throw error;
      return INACTIVE; // §2.2: not why
    }
  }
}

const INACTIVE: JsonObject = { active: false };

/** Whoever is called with a token, and whoever watches over them; an agent of those that it handed on or acts with. */
const mayKnow = ({ workload: { kind, id } }: OauthClient, { chain }: TaskToken): boolean => kind !== 'agent' || chain.includes(id);

/** `token_type` of what is bound to a key, and of what is not (RFC 9449 §5, RFC 6750). */
const tokenTypeOf = ({ confirmation }: Pick<TaskToken, 'confirmation'>): 'DPoP' | 'Bearer' =>
  confirmation !== undefined && 'jkt' in confirmation ? 'DPoP' : 'Bearer';
