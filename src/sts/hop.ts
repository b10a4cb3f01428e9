// One hop of a delegation (RFC 8693 §4.1, §4.4): may this run act for that subject? The chain that results is what every later hop sees.
import { Refusal } from '../domain/refusal.ts';
import { parseWorkload, type SpiffeId, trustDomainOf } from '../domain/spiffe-id.ts';
import type { Held } from './held.ts';
import type { ExchangeRequest } from './request.ts';
import type { TokenService } from './service.ts';
import { agentOf } from './task-token.ts';

/**
 * The chain with the actor at its end; as it is, when the actor stands there already and only narrows what it holds.
 * @throws Refusal CORDON-1004, CORDON-2004 too deep, CORDON-2005 not allowed, CORDON-2006 a loop, CORDON-2007 revoked
 */
export function chainWith(service: TokenService, held: Held, { actor, namedActor = actor.id }: ExchangeRequest): readonly SpiffeId[] {
  const name = agentNameOf(service, actor.id);
  if (namedActor !== actor.id) throw new Refusal('CORDON-2005', 'the actor token names another than the client', { observed: namedActor });
  const isOwn = held.kind === 'task' && held.chain.at(-1) === actor.id;
  const chain = isOwn ? held.chain : [...held.chain, actor.id];
  if (!isOwn && held.chain.some((run) => parseWorkload(run).name === name)) {
    throw new Refusal('CORDON-2006', 'the agent is in the chain already', { observed: name });
  }
  if (chain.length > service.limits.depth) {
    throw new Refusal('CORDON-2004', 'delegation too deep', {
      observed: `${chain.length} agents`,
      expected: `at most ${service.limits.depth}`,
    });
  }
  if (!isOwn && !mayAct(service, held, actor.id, name))
    throw new Refusal('CORDON-2005', 'the actor may not act for this subject', { observed: name });
  if (service.isRevoked({ ...held, chain })) throw new Refusal('CORDON-2007', 'what is exchanged was revoked');
  return chain;
}

function agentNameOf({ trustDomain }: TokenService, id: SpiffeId): string {
  if (trustDomainOf(id) !== trustDomain)
    throw new Refusal('CORDON-1004', 'an actor of another trust domain', { observed: trustDomainOf(id) });
  const { kind, name, run } = parseWorkload(id);
  if (kind === 'agent' && run !== undefined) return name;
  throw new Refusal('CORDON-2005', 'only a run of an agent acts for somebody', { observed: id });
}

function mayAct(service: TokenService, { kind, chain, mayAct: named, callee }: Held, actor: SpiffeId, name: string): boolean {
  if (named !== undefined) return named === actor || named === agentOf(actor);
  if (kind === 'txn') return callee === name;
  const last = chain.at(-1);
  return last === undefined || service.mayDelegate(parseWorkload(last).name, name);
}
