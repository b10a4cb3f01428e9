// A compiled schema: what contexts and entities are read by, and what requests and entities are held against, as the official engine does.
import type { Json } from '../../domain/json.ts';
import type { Request } from './compiled-set.ts';
import { Entities } from './entities.ts';
import type { EntityRecord } from './entity.ts';
import { CedarInputError, type Step } from './input-error.ts';
import { entitiesFromJson, type EntityTypes, isAction, recordFromJson } from './json.ts';
import { type ActionType, type EntityType, readSchema } from './schema-json.ts';
import { type CheckUid, mustConform } from './types.ts';
import { type CedarRecord, EMPTY_RECORD, type EntityUid } from './value.ts';

/** They have neither attributes nor tags. */
const OF_ACTIONS: EntityTypes = { attributes: new Map(), tags: undefined };

export class CedarSchema {
  readonly #types: ReadonlyMap<string, EntityType>;
  readonly #actions: ReadonlyMap<string, ActionType>;
  readonly #actionEntities: Entities;

  /** Of a schema in JSON form that the official engine accepts. @throws Error for another */
  constructor(schema: unknown) {
    const { types, actions } = readSchema(schema);
    this.#types = new Map(types.map((type) => [type.name, type]));
    this.#actions = new Map(actions.map((action) => [action.uid.key, action]));
    this.#actionEntities = Entities.of(actions.map(({ uid, parents }) => ({ uid, attrs: EMPTY_RECORD, tags: EMPTY_RECORD, parents })));
  }

  /** Every declared action with its groups. */
  actionEntities(): readonly EntityRecord[] {
    return this.#actionEntities.all();
  }

  /** What is required is there, and nothing undeclared; types are for `validateRequest`. attacker-controlled. @throws CedarInputError */
  contextFromJson(action: EntityUid, json: Json): CedarRecord {
    return recordFromJson(json, this.#actionOf(action).context);
  }

  /** Valid entities, and the declared actions with them. attacker-controlled. @throws CedarInputError, and Error as `Entities.of` */
  entitiesFromJson(json: Json): Entities {
    const entities = Entities.of(entitiesFromJson(json, (one) => this.#typesOf(one)));
    this.validateEntities(entities);
    return entities.with(this.actionEntities());
  }

  /** Declared types and action, an action that applies to them, a context of its type. @throws CedarInputError */
  validateRequest({ principal, action, resource, context }: Request): void {
    const { principals, resources, context: type } = this.#actionOf(action);
    this.#mustApply('principal', principal, principals);
    this.#mustApply('resource', resource, resources);
    mustConform(context, type, this.#checkUid, 'context');
  }

  /** Every entity declared, its attributes and tags of their types, its parents allowed; actions exactly as declared. @throws CedarInputError */
  validateEntities(entities: Entities): void {
    for (const record of entities.all()) {
      if (isAction(record.uid)) this.#mustBeDeclared(record, entities);
      else this.#mustConform(record);
    }
  }

  #mustConform({ uid, attrs, tags, parents }: EntityRecord): void {
    const type = this.#types.get(uid.type);
    if (type === undefined) throw new CedarInputError([uid.type], 'not in the schema');
    refuse(this.#checkUid(uid), uid.type);
    mustConform(attrs, { kind: 'record', attributes: type.attributes }, this.#checkUid, uid.type, 'attrs');
    for (const [name, tag] of tags) {
      if (type.tags === undefined) throw new CedarInputError([uid.type, 'tags', name], 'not in the schema');
      mustConform(tag, type.tags, this.#checkUid, uid.type, 'tags', name);
    }
    // a parent that is stored is held to the same, so its own parents are allowed here too
    for (const parent of parents) {
      refuse(type.ancestors.has(parent.type) ? this.#checkUid(parent) : `may not be in a \`${parent.type}\``, uid.type, 'parents');
    }
  }

  #mustBeDeclared({ uid, attrs, tags }: EntityRecord, entities: Entities): void {
    const [declared, given] = [this.#actionEntities, entities].map((store) => store.get(uid)?.ancestors);
    const same = declared !== undefined && given?.size === declared.size && [...declared].every((key) => given.has(key));
    if (!same || attrs.size > 0 || tags.size > 0) refuse('an action must be as the schema declares it', uid.type);
  }

  readonly #checkUid: CheckUid = (uid) => {
    if (isAction(uid)) return this.#actions.has(uid.key) ? undefined : 'not an action of the schema';
    const ids = this.#types.get(uid.type)?.ids;
    return ids === undefined || ids.has(uid.id) ? undefined : `not one of the ids of \`${uid.type}\``;
  };

  #typesOf(uid: EntityUid): EntityTypes | undefined {
    if (!isAction(uid)) return this.#types.get(uid.type);
    return this.#actions.has(uid.key) ? OF_ACTIONS : undefined;
  }

  #actionOf(action: EntityUid): ActionType {
    const type = this.#actions.get(action.key);
    if (type === undefined) throw new CedarInputError(['action'], 'not in the schema');
    return type;
  }

  #mustApply(role: 'principal' | 'resource', one: EntityUid, types: ReadonlySet<string>): void {
    refuse(types.has(one.type) ? this.#checkUid(one) : `the action does not apply to the type \`${one.type}\``, role);
  }
}

function refuse(problem: string | undefined, ...at: readonly Step[]): void {
  if (problem !== undefined) throw new CedarInputError(at, problem);
}
