// One AuthZEN request, answered: the protocol from body to body. What carries it, and who may ask, is for those above.
import type { Sealer } from '../../crypto/seal.ts';
import type { Json, JsonObject } from '../../domain/json.ts';
import { evaluate, evaluateAll } from './evaluations.ts';
import type { AuthzenApi } from './metadata.ts';
import type { AuthzenPdp } from './port.ts';
import { objectIn } from './request.ts';
import { search } from './search.ts';

export interface Asked {
  readonly pdp: AuthzenPdp;
  /** Seals page tokens. */
  readonly sealer: Sealer;
  /** Who asks which PDP: a page token is good for nobody else. */
  readonly scope: string;
}

const ANSWERS: Readonly<Record<AuthzenApi, (asked: Asked, body: JsonObject) => JsonObject>> = {
  evaluation: ({ pdp }, body) => evaluate(pdp, body),
  evaluations: ({ pdp }, body) => evaluateAll(pdp, body),
  'search/subject': ({ pdp, sealer, scope }, body) => search(pdp, 'subject', body, sealer, scope),
  'search/resource': ({ pdp, sealer, scope }, body) => search(pdp, 'resource', body, sealer, scope),
  'search/action': ({ pdp, sealer, scope }, body) => search(pdp, 'action', body, sealer, scope),
};

/** `body`: as the strict JSON reader left it; undefined for none. @throws Refusal CORDON-9011 for a bad request, else what the PDP throws */
export const answer = (api: AuthzenApi, asked: Asked, body: Json | undefined): JsonObject => ANSWERS[api](asked, objectIn(body));
