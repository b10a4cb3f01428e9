// What the token service did, in the audit log before it is handed out: names and digests, never a token. INVARIANT I3
import { sha256Hex } from '../../crypto/hash.ts';
import { writeJson } from '../../domain/json.ts';
import { mandateJson } from '../../domain/mandate.ts';
import type { Issued } from '../../sts/request.ts';
import type { Control } from '../control.ts';
import type { OauthClient } from './client.ts';
import { recordAct } from '../acts.ts';

/** @throws Refusal CORDON-9004: then nothing is handed out */
export function recordIssue(control: Control, { workload, method }: OauthClient, issued: Issued): void {
  const { type, jti, txn, sub, chain, audience, mandate, parents, expiresAt } = issued;
  recordAct(control, {
    actor: workload.id,
    act: 'token.issue',
    target: jti ?? txn,
    detail: {
      type,
      ...(jti === undefined ? {} : { jti }),
      txn,
      sub,
      chain,
      aud: audience,
      exp: expiresAt,
      parents,
      mandate: { digest: `sha256:${sha256Hex(writeJson(mandateJson(mandate)))}` },
      client_auth: method,
    },
  });
}
