// Whose a task or a context of another agent is: of the caller, and the user, in whose calls its id came to be. For anybody else it does not
// exist. What is not known here is nobody's: after a restart a caller begins a new task. INVARIANTS I4, I10. Standard: A2A 1.0 §3
import type { AccessRequest } from '../domain/access.ts';
import { isJsonObject, type Json, type JsonObject } from '../domain/json.ts';

export interface A2aTasks {
  /** May the caller of `request` go on with these? A context may be one that nobody has yet; a task may not. */
  isOf(request: AccessRequest, message: JsonObject): boolean;
  /** The ids of an answer to `request` are its caller's from now on. */
  learn(request: AccessRequest, result: Json | undefined): void;
}

const MOST = 32_768;
const LONGEST = 256;

export function createA2aTasks(): A2aTasks {
  const owners = new Map<string, string>();
  const own = (name: string, owner: string): void => {
    if (owners.has(name)) return; // an agent that answers with another's id gives nothing away
    const [oldest] = owners.keys();
    if (owners.size >= MOST && oldest !== undefined) owners.delete(oldest);
    owners.set(name, owner);
  };
  return {
    isOf(request, { taskId, contextId }): boolean {
      const owner = ownerOf(request);
      if (taskId !== undefined && taskId !== '' && owners.get(nameOf(request, 'task', taskId)) !== owner) return false;
      const context = contextId === undefined || contextId === '' ? undefined : owners.get(nameOf(request, 'context', contextId));
      return context === undefined || context === owner;
    },
    learn(request, result): void {
      const owner = ownerOf(request);
      for (const part of isJsonObject(result) ? [result, ...Object.values(result)] : []) {
        if (!isJsonObject(part)) continue;
        const task = part['taskId'] ?? (Object.hasOwn(part, 'status') ? part['id'] : undefined);
        if (isId(task)) own(nameOf(request, 'task', task), owner);
        if (isId(part['contextId'])) own(nameOf(request, 'context', part['contextId']), owner);
      }
    },
  };
}

const isId = (value: Json | undefined): value is string => typeof value === 'string' && value !== '' && value.length <= LONGEST;

const ownerOf = ({ subject, delegation }: AccessRequest): string =>
  JSON.stringify([subject.id, delegation?.user?.issuer ?? null, delegation?.user?.id ?? null]);

const nameOf = ({ resource }: AccessRequest, kind: 'task' | 'context', id: Json): string => JSON.stringify([resource.id, kind, id]);
