// Token revocation (RFC 7009): with a token dies every token that was exchanged from it. INVARIANT I6
import type { FastifyReply } from 'fastify';
import { Refusal } from '../../domain/refusal.ts';
import { OAuthRefusal } from '../../sts/errors.ts';
import type { TaskToken } from '../../sts/task-token.ts';
import { refusalOf } from '../problem.ts';
import { revoke as revokeNow } from '../revocation.ts';
import { sendJson } from './http.ts';
import { readOwn } from './known-token.ts';
import type { OauthRequest } from './request.ts';

export async function revoke({ control, client, form, reply }: OauthRequest): Promise<FastifyReply> {
  const token = form.get('token');
  if (token === undefined) throw new Refusal('CORDON-9011', '`token` is missing');
  const read = ownOrNothing();
  // §2.2: what is no token, or no longer one, has been revoked already
  if (read === undefined) return sendJson(reply, {});
  const { kind, id: actor } = client.workload;
  if (kind !== 'operator' && !read.chain.includes(client.workload.id)) {
    throw new OAuthRefusal('unauthorized_client', 'CORDON-2005', 'the token was not issued to this client, nor on its behalf');
  }
  await revokeNow(control, { kind: 'token', id: read.jti, actor, reason: 'asked by its client' });
  return sendJson(reply, {});

  function ownOrNothing(): TaskToken | undefined {
    try {
      return readOwn(control, token ?? '');
    } catch (error) {
      if (refusalOf(error).row.kind === 'system') throw error;
      return undefined;
    }
  }
}
