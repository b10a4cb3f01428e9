// An AuthZEN request in the terms of an application's schema. Of what the caller says, the schema takes what it knows: other properties
// and other members of the context are as if they had not been sent, and so is a null, which Cedar does not have.
//
//   subject, resource    the entity as it is stored, with the properties of the request over its attributes, one by one
//   action.name          Action::"name"
//   action.properties    context.action, if the schema has it there; nothing else can be
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../../domain/json.ts';
import type { Request } from '../../policy/cedar/compiled-set.ts';
import { type EntityView, Resident } from '../../policy/cedar/entities.ts';
import { recordFromJson } from '../../policy/cedar/json.ts';
import type { ActionType, EntityType } from '../../policy/cedar/schema-json.ts';
import { type CedarType, type CheckUid, mustConform, type RecordType } from '../../policy/cedar/types.ts';
import { EMPTY_RECORD, type EntityUid, uid } from '../../policy/cedar/value.ts';
import type { Application } from './application-load.ts';
import type { AuthzenEntity, EvaluationRequest } from './port.ts';

export interface ApplicationFacts {
  readonly request: Request;
  readonly entities: EntityView;
  /** Nulls that were left out: `subject.properties.role`. */
  readonly dropped: readonly string[];
}

/** `action`: the one that is asked for. @throws CedarInputError for what is not of its type */
export function factsOf(application: Application, asked: EvaluationRequest, action: ActionType): ApplicationFacts {
  const dropped: string[] = [];
  const { subject, resource } = asked;
  const context = fitting(contextOf(asked), action.context, 'context', dropped);
  const request = {
    principal: uid(subject.type, subject.id),
    action: action.uid,
    resource: uid(resource.type, resource.id),
    context: recordFromJson(context, action.context),
  };
  application.schema.validateRequest(request);
  const described = [describe(application, subject, 'subject', dropped), describe(application, resource, 'resource', dropped)].flat();
  const entities = described.length === 0 ? application.entities : new Described(application.entities, described);
  return { request, entities, dropped };
}

function contextOf({ context = {}, action: { properties } }: EvaluationRequest): JsonObject {
  const { action: _, ...rest } = context;
  return properties === undefined ? rest : { ...rest, action: properties };
}

/** The entity as this request describes it; none when it is as it is stored. */
function describe(
  { types, entities }: Application,
  { type, id, properties = {} }: AuthzenEntity,
  role: string,
  dropped: string[],
): readonly Resident[] {
  const known = types.get(type);
  if (known === undefined) return [];
  const shape = optional(known);
  const said = recordFromJson(fitting(properties, shape, `${role}.properties`, dropped), shape);
  if (said.size === 0) return [];
  mustConform(said, shape, idsOf(types), role, 'properties');
  const one = uid(type, id);
  const stored = entities.get(one);
  if (stored === undefined) return [new Resident({ uid: one, attrs: said, tags: EMPTY_RECORD, parents: [] }, new Set())];
  const { record, ancestors, scopeKeys } = stored;
  return [new Resident({ ...record, attrs: new Map([...record.attrs, ...said]) }, ancestors, scopeKeys)];
}

/** What a request says of its subject and resource stands before what is stored. Copies nothing: a search makes one for each candidate. */
class Described implements EntityView {
  readonly #stored: EntityView;
  readonly #said: readonly Resident[];

  constructor(stored: EntityView, said: readonly Resident[]) {
    this.#stored = stored;
    this.#said = said;
  }

  get(one: EntityUid): Resident | undefined {
    return this.#said.find(({ record: { uid: said } }) => said.equals(one)) ?? this.#stored.get(one);
  }
}

/** A request may say of an entity as little as it likes. */
const optional = ({ attributes }: EntityType): RecordType => ({
  kind: 'record',
  attributes: new Map([...attributes].map(([name, { type }]) => [name, { type, required: false }])),
});

const idsOf =
  (types: ReadonlyMap<string, EntityType>): CheckUid =>
  ({ type, id }) => {
    const ids = types.get(type)?.ids;
    return ids === undefined || ids.has(id) ? undefined : `not one of the ids of \`${type}\``;
  };

/** What of `json` the type knows, without nulls. */
function fitting(json: Json, type: CedarType | undefined, path: string, dropped: string[]): Json {
  if (type?.kind === 'set' && isJsonArray(json)) return json.map((one, at) => fitting(one, type.element, `${path}[${at}]`, dropped));
  if (type?.kind !== 'record' || !isJsonObject(json)) return json;
  const members = Object.entries(json).flatMap(([name, member]) => {
    const attribute = type.attributes.get(name);
    if (attribute === undefined) return [];
    if (member !== null) return [[name, fitting(member, attribute.type, `${path}.${name}`, dropped)] as const];
    dropped.push(`${path}.${name}`);
    return [];
  });
  return Object.fromEntries(members);
}
