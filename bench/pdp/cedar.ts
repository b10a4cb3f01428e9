// The workload in Cedar.
import type { EntityRecord } from '../../src/policy/cedar/entity.ts';
import type { OfficialEntity } from '../../src/policy/cedar/official.ts';
import { EMPTY_RECORD, uid } from '../../src/policy/cedar/value.ts';
import type { Condition, Entity, Rule } from './workload.ts';

export function cedarOf({ id, effect, agent, group, tool, server, action, condition }: Rule): string {
  const principal =
    agent !== undefined ? `principal == Agent::"${agent}"` : group !== undefined ? `principal in Group::"${group}"` : 'principal';
  const resource =
    tool !== undefined ? `resource == Tool::"${tool}"` : server !== undefined ? `resource in Server::"${server}"` : 'resource';
  const act = action === 'any' ? 'action' : `action == Action::"${action}"`;
  return `@id("${id}")\n${effect} (${principal}, ${act}, ${resource})${conditionOf(condition)};`;
}

function conditionOf(condition: Condition): string {
  switch (condition.kind) {
    case 'none':
      return '';
    case 'amount':
      return ` when { context.amount <= ${condition.most} }`;
    case 'calm':
      return ` when { context.env == "${condition.env}" && principal.risk < ${condition.risk} }`;
    case 'region':
      return ` when { ${JSON.stringify(condition.regions)}.contains(context.region) }`;
    case 'above':
      return ` when { context.amount > ${condition.amount} }`;
    case 'owner':
      return ` when { principal.owner == "${condition.owner}" }`;
  }
}

/** The entities as the official engine takes them. */
export const entitiesOf = (entities: readonly Entity[]): readonly OfficialEntity[] =>
  entities.map(({ type, id, attrs, parent }) => ({
    uid: { type, id },
    attrs,
    parents: parent === undefined ? [] : [{ type: parent[0], id: parent[1] }],
  }));

/** The entities as they are kept resident. */
export const recordsOf = (entities: readonly Entity[]): readonly EntityRecord[] =>
  entities.map(({ type, id, attrs, parent }) => ({
    uid: uid(type, id),
    attrs: new Map(Object.entries(attrs)),
    tags: EMPTY_RECORD,
    parents: parent === undefined ? [] : [uid(...parent)],
  }));
