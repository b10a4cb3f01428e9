// What two clients saw, made comparable: ids are renamed by the order in which they were first seen, so that the same id is the same and another
// another; times are left out.

const IDS: ReadonlySet<string> = new Set(['id', 'taskId', 'contextId', 'messageId']);
const TIMES: ReadonlySet<string> = new Set(['timestamp']);

/** As text, to be compared whole. */
export function seen(value: unknown): string {
  const ids = new Map<string, string>();
  const named = (id: string): string => {
    const name = ids.get(id) ?? `#${ids.size + 1}`;
    ids.set(id, name);
    return name;
  };
  const walk = (one: unknown, key = ''): unknown => {
    if (one instanceof Uint8Array) return Buffer.from(one).toString('hex');
    if (typeof one === 'string') return one !== '' && IDS.has(key) ? named(one) : one;
    if (Array.isArray(one)) return one.map((member) => walk(member, key));
    if (typeof one !== 'object' || one === null) return one;
    return Object.fromEntries(
      Object.entries(one)
        .filter(([member]) => !TIMES.has(member))
        .map(([member, inner]) => [member, walk(inner, member)]),
    );
  };
  return JSON.stringify(walk(value), undefined, 1);
}

/** What the client saw in a scenario, or how it failed. */
export type Outcome = { readonly saw: unknown } | { readonly failed: string };

/** Why a scenario has not passed. One that fails directly shows nothing, even if it fails through Cordon in the same way. */
export function fault(direct: Outcome | undefined, through: Outcome | undefined): string | undefined {
  if (direct === undefined || through === undefined) return 'it was not tried';
  return 'failed' in direct ? `it fails directly: ${direct.failed}` : difference(direct, through);
}

/** The first line in which they differ; undefined when they are the same. */
export function difference(direct: unknown, through: unknown): string | undefined {
  const [one, other] = [seen(direct).split('\n'), seen(through).split('\n')];
  const at = one.findIndex((line, index) => line !== other[index]);
  if (at === -1 && one.length === other.length) return undefined;
  const line = at === -1 ? one.length : at;
  return `line ${line + 1}: direct ${(one[line] ?? 'nothing').trim().slice(0, 200)}, through Cordon ${(other[line] ?? 'nothing').trim().slice(0, 200)}`;
}
