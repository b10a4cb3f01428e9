// The parsed form of a policy as the official engine gives it (EST JSON, language 4.5), with every integer exact.

export interface EstPolicy {
  readonly effect: 'permit' | 'forbid';
  readonly principal: EstScope;
  readonly action: EstScope;
  readonly resource: EstScope;
  readonly conditions: readonly EstCondition[];
  /** An annotation without a value is null. */
  readonly annotations?: Readonly<Record<string, string | null>>;
}

export interface EstCondition {
  readonly kind: 'when' | 'unless';
  readonly body: EstExpr;
}

/** The engine writes an entity plainly or escaped. */
export type EstUid = { readonly type: string; readonly id: string } | { readonly __entity: { readonly type: string; readonly id: string } };

/** One entity, or the slot of a template. */
export type EstTarget = { readonly entity: EstUid } | { readonly slot: string };

export type EstScope =
  | { readonly op: 'All' }
  | ({ readonly op: '==' } & EstTarget)
  | ({ readonly op: 'in' } & (EstTarget | { readonly entities: readonly EstUid[] }))
  | { readonly op: 'is'; readonly entity_type: string; readonly in?: EstTarget };

/** An expression: an object with one member, the operator. Read by compile.ts, which refuses what it does not know. */
export type EstExpr = { readonly [operator: string]: unknown };
