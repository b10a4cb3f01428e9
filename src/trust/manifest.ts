// A tool's manifest drafted from what it says of itself: what calling it does, which arguments name someone or somewhere, and whether
// what it returns is a record of its own or text that others wrote. General words of English tool descriptions only; what no word explains
// counts as a write, and its arguments as sinks.
import type { Effect, OutputKind, Role } from '../domain/manifest.ts';
import { CHANGES, READS, stem, wordsOf } from './lexicon.ts';

export interface ToolSchema {
  readonly name: string;
  readonly description: string;
  readonly parameters: Readonly<Record<string, { readonly type: string; readonly description: string }>>;
  /** MCP's hints are the server's own word: they may make a tool a write, never a read. */
  readonly annotations?: { readonly readOnlyHint?: boolean; readonly destructiveHint?: boolean };
}

export interface Manifest {
  readonly effect: Effect;
  readonly roles: Readonly<Record<string, Role>>;
  readonly output: OutputKind;
  /** Stems of what the tool does (empty when its name does not say) and to what: a task that says so asks for it. */
  readonly verb: string;
  readonly object: string;
}

const CONTENT =
  /^(body|content|contents|text|description|subject|title|message|note|notes|comment|comments|reason|summary|caption|review|reviews|bio|details|attachments?|feedback|agenda)$/;
const QUANTITY =
  /^(date|time|day|start|end|amount|quantity|count|number|price|permission|permissions|recurring|limit|size|location|status|priority|rating|currency|format|language|type|category|color|month|year|hour|duration|force|overwrite)$/;
const ADDRESS = /^(url|urls|uri|link|links|host|domain|endpoint|webpage|website)$/;
const QUERY = /^(query|queries|keyword|keywords|search|filter|term|terms|pattern|q)$/;
const PROOF = /^(otp|pin|captcha|2fa|mfa|totp)$/;
const PERSONAL = /^(account|phone|mobile|card|passport|bank|iban|routing|tax|social|licen[cs]e|serial|swift)$/;
const NUMERIC = /\b(int|integer|float|number|bool|boolean|enum)\b/;
const RECORD = /^(ids?|identifier|uuid|key)$/;
const TEXT_OF = /\bcontents? (?:of|at|from|on)\b|\bweb ?(?:page|site)s?\b|\bweb content\b|\b(?:fetch|download|scrape|browse|crawl)\w*\b/i;

/** The name's verb decides; a name that says nothing leaves it to the description's first word. */
export function draftManifest(tool: ToolSchema): Manifest {
  const effect = effectOf(tool);
  const roles = Object.entries(tool.parameters).map(([name, parameter]) => [name, roleOf(name, parameter, effect, tool)] as const);
  const { verb, object } = askedBy(tool);
  return {
    effect,
    roles: Object.fromEntries(roles),
    output: outputOf(tool),
    verb,
    object,
  };
}

const DOCUMENT =
  /^(?:path|file|filename|url|uri|link|page|webpage|website|document|doc|note|message|post|thread|article|attachment|issue|comment|ticket)s?$/;

function outputOf({ description, parameters }: ToolSchema): Manifest['output'] {
  const said = Object.keys(parameters).flatMap(wordsOf);
  if (said.some((word) => ADDRESS.test(word))) return 'text';
  if (TEXT_OF.test(description) && !/\b(?:records?|list of|dictionar)/i.test(description)) return 'text';
  return said.some((word) => DOCUMENT.test(word)) ? 'document' : 'records';
}

const RELATION = /^(?:by|through|from|to|in|into|on|for|with|of|at|via|as)$/;

/**
 * `add_user_to_channel` adds a user: the noun before a preposition is what something is done to, its last word what it is. A name that ends
 * with its verb says nothing that a task could ask for: such a tool needs a plan.
 */
function askedBy({ name }: ToolSchema): Pick<Manifest, 'verb' | 'object'> {
  const said = wordsOf(name);
  const at = said.findIndex((word) => CHANGES.has(stem(word)));
  const behind = said.slice(at + 1);
  const relation = behind.findIndex((word) => RELATION.test(word));
  const object = (relation === -1 ? behind : behind.slice(0, relation)).at(-1);
  if (at === -1 || (object === undefined && said.length > 1)) return { verb: '', object: '' };
  return { verb: stem(said[at] ?? ''), object: object === undefined ? '' : stem(object) };
}

/**
 * The first verb of the name; a second one after `and` or `or` counts as well. A read begins with its verb, or has it behind the noun that it
 * is about: `git_get_keys`, not `DataIntegrityCheck`. What a description says of a name that says otherwise is no reason to believe it.
 */
function effectOf({ name, description, annotations }: ToolSchema): Manifest['effect'] {
  if (annotations?.readOnlyHint === false || annotations?.destructiveHint === true) return 'write';
  const said = wordsOf(name);
  const first = said.find((word) => READS.has(stem(word)) || CHANGES.has(stem(word)));
  const joined = said.some((word, at) => ['and', 'or'].includes(said[at - 1] ?? '') && CHANGES.has(stem(word)));
  if (joined) return 'write';
  if (first !== undefined) return READS.has(stem(first)) && said.indexOf(first) <= 1 ? 'read' : 'write';
  if (said.some((word) => /^[a-z]{3,}$/.test(word))) return 'write';
  return READS.has(stem(wordsOf(description)[0] ?? '')) ? 'read' : 'write';
}

const MAKES = /^(?:create|make|new|save|download|draft|compose|export|generate)$/;
const OWN_NAME = /^(?:name|filename|path|dir|directory|folder|destination|slug)$/;

/** What a tool makes, it may name: a new name leads nowhere, unless somebody else chose it. */
const isFresh = ({ name }: ToolSchema, said: readonly string[]): boolean =>
  MAKES.test(wordsOf(name).find((word) => CHANGES.has(stem(word))) ?? '') && said.some((word) => OWN_NAME.test(word));

/** Whether an output field of this name holds text that others write. */
export const isFreeField = (name: string): boolean => wordsOf(name).some((word) => CONTENT.test(word));

function roleOf(
  name: string,
  { type, description }: { type: string; description: string },
  effect: Manifest['effect'],
  tool: ToolSchema,
): Role {
  const said = wordsOf(name);
  if (said.some((word) => PROOF.test(word))) return 'proof';
  if (effect === 'read') {
    if ([...said, ...wordsOf(description)].some((word) => ADDRESS.test(word))) return 'sink';
    return said.some((word) => QUERY.test(word)) ? 'query' : 'content';
  }
  if (said.some((word) => RECORD.test(word) || PERSONAL.test(word))) return 'sink';
  if (isFresh(tool, said)) return 'fresh';
  if (NUMERIC.test(type) || said.some((word) => QUANTITY.test(word))) return 'quantity';
  return said.some((word) => CONTENT.test(word)) ? 'content' : 'sink';
}
