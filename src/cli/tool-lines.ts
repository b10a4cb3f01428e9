// A changed tool definition as people judge it: member by member (JSON Pointer, RFC 6901), the pinned value above the offered one.
// attacker-controlled: whoever wrote the definition wants it accepted, so nothing is cut short and nothing is invisible
import { isJsonArray, isJsonObject, writeJson, type Json } from '../domain/json.ts';
import { similar } from '../domain/similar.ts';
import { Failure } from './errors.ts';
import type { Paint } from './paint.ts';
import type { ReplyOf } from './replies.ts';
import { inSight } from './untrusted.ts';
import { shellWord } from './usage.ts';

type Review = ReplyOf<'toolReview'>;
type Change = Review['changes'][number];

/** @throws Failure when there is no such tool */
export function reviewLines(paint: Paint, { resource, digest, tools, changes }: Review, tool: string | undefined): readonly string[] {
  if (tool !== undefined && !tools.includes(tool)) throw unknownTool(resource, tool, tools);
  const shown = tool === undefined ? changes : changes.filter(({ name }) => name === tool);
  const what = tool === undefined ? resource : `${resource}/${tool}`;
  if (shown.length === 0) return [`${paint.mark('v')} ${inSight(what)}: nothing differs from what is pinned`];
  const each = shown.flatMap((change) => [...changeLines(paint, resource, change), '']);
  const all = shown.length > 1 ? [acceptLine(paint, resource, digest, 'all of it')] : [];
  return [...each.slice(0, shown.length > 1 ? each.length : -1), ...all];
}

const unknownTool = (resource: string, tool: string, tools: readonly string[]): Failure =>
  new Failure('usage', `\`${resource}\` defines no \`${tool}\``, {
    code: 'CORDON-3003',
    fix: similar(tool, tools).map((near) => `did you mean \`${resource}/${near}\`?`),
  });

function changeLines(paint: Paint, resource: string, { name, change, digest, pinned, offered }: Change): readonly string[] {
  const [before, after] = [membersOf(pinned), membersOf(offered)];
  const pointers = [...new Set([...before.keys(), ...after.keys()])].filter((pointer) => before.get(pointer) !== after.get(pointer));
  const members = pointers.flatMap((pointer) => [
    `  ${inSight(pointer)}`,
    ...valueLine(paint('bad', '-'), before.get(pointer)),
    ...valueLine(paint('good', '+'), after.get(pointer)),
  ]);
  return [
    `${paint.mark('x')} ${paint('bold', inSight(`${resource}/${name}`))} ${change}`,
    ...(members.length === 0 ? ['  the same members in another order'] : members),
    acceptLine(paint, `${resource}/${name}`, digest, 'if it is meant'),
  ];
}

const valueLine = (sign: string, value: string | undefined): readonly string[] =>
  value === undefined ? [] : [`    ${sign} ${inSight(value)}`];

/** The name is the server's: it is quoted, so that a shell takes it for a name; one that cannot be typed as it is shown is not offered. */
function acceptLine(paint: Paint, what: string, digest: string, when: string): string {
  const word = shellWord(what);
  const command =
    inSight(word) === word ? `cordon tools accept ${word} --digest ${digest}` : `the name is not fit for a command; digest ${digest}`;
  return `  ${paint('dim', `${when}:`)} ${command}`;
}

/** What stands at each pointer, as JSON: texts, numbers, and whatever is empty. */
function membersOf(definition: Json | null): ReadonlyMap<string, string> {
  const members = new Map<string, string>();
  const walk = (value: Json, pointer: string): void => {
    const inner = isJsonArray(value) ? [...value.entries()] : isJsonObject(value) ? Object.entries(value) : [];
    if (inner.length === 0) members.set(pointer, writeJson(value));
    for (const [key, each] of inner) walk(each, `${pointer}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`);
  };
  if (definition !== null) walk(definition, '');
  return members;
}
