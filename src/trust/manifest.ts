// A tool's manifest drafted from what it says of itself: what calling it does and which arguments name someone or somewhere. General
// words of English tool descriptions only; what no word explains counts as a write, and its arguments as sinks.

export interface ToolSchema {
  readonly name: string;
  readonly description: string;
  readonly parameters: Readonly<Record<string, { readonly type: string; readonly description: string }>>;
}

/** `sink`: names a recipient, account, record, path or address. `content`: free text. `quantity`: numbers, dates, choices. */
export type Role = 'sink' | 'content' | 'quantity';

export interface Manifest {
  readonly effect: 'read' | 'write';
  readonly roles: Readonly<Record<string, Role>>;
}

const READS = new Set(
  'get list search read check find fetch show view retrieve query lookup look count browse return describe inspect print calculate compute compare filter'.split(
    ' ',
  ),
);
const CONTENT =
  /^(body|content|text|description|subject|title|message|note|comment|reason|summary|caption|review|bio|details|attachments?)$/;
const QUANTITY = /^(date|time|day|start|end|amount|quantity|count|number|price|permission|recurring|limit|size|location|status)$/;
const ADDRESS = /^(url|uri|link|host|domain|endpoint|webpage|website)$/;
const NUMERIC = /\b(int|integer|float|number|bool|boolean|enum)\b/;
const RECORD = /^(ids?|identifier)$/;

const words = (name: string): string[] =>
  name
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z]+/)
    .filter((word) => word !== '');
const isRead = (word: string): boolean => READS.has(word) || READS.has(word.replace(/s$/, '')) || READS.has(word.replace(/es$/, ''));

/** The name's verb decides; a name that says nothing leaves it to the description's first word. */
export function draftManifest(tool: ToolSchema): Manifest {
  const [verb = ''] = words(tool.name);
  const [said = ''] = words(tool.description);
  const effect = isRead(verb) || (!/^[a-z]{3,}$/.test(verb) && isRead(said)) ? 'read' : 'write';
  const roles = Object.entries(tool.parameters).map(([name, parameter]) => [name, roleOf(name, parameter, effect)] as const);
  return { effect, roles: Object.fromEntries(roles) };
}

/** Whether an output field of this name holds text that others write. */
export const isFreeField = (name: string): boolean => words(name).some((word) => CONTENT.test(word));

function roleOf(name: string, { type, description }: { type: string; description: string }, effect: Manifest['effect']): Role {
  const said = words(name);
  if (effect === 'read') return [...said, ...words(description)].some((word) => ADDRESS.test(word)) ? 'sink' : 'content';
  if (said.some((word) => RECORD.test(word))) return 'sink';
  if (NUMERIC.test(type) || said.some((word) => QUANTITY.test(word))) return 'quantity';
  return said.some((word) => CONTENT.test(word)) ? 'content' : 'sink';
}
