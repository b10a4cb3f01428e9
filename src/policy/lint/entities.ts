// `unknown-entity`: Cedar takes any name of an entity, so a misspelt agent makes a policy that waits for ever for somebody else.
import { similar } from '../../domain/similar.ts';
import { Refusal } from '../../domain/refusal.ts';
import { kindOf, RESOURCE_KINDS, type World } from '../../domain/registry.ts';
import type { Catalog } from '../schema/catalog.ts';
import type { Identified } from '../identify.ts';
import { endOf, type Token } from '../lexer.ts';
import type { Flaw } from './rules.ts';
import { type Callable, GROUPS, METHODS } from '../methods.ts';
import { KIND_TYPES } from '../targets.ts';

/** What policies can name. */
export interface Names {
  readonly world: World;
  readonly catalog: Catalog;
  /** By entity type. */
  readonly known: ReadonlyMap<string, ReadonlySet<string>>;
}

export function namesOf(world: World, catalog: Catalog): Names {
  const names = (list: readonly { readonly name: string }[]): ReadonlySet<string> => new Set(list.map(({ name }) => name));
  const typed = [...catalog.values()].flatMap(({ id, input }) => (input instanceof Refusal ? [] : [id]));
  const idsOf = (type: Callable): ReadonlySet<string> =>
    new Set([...catalog.values()].flatMap((one) => (one.type === type ? [one.id] : [])));
  const known = new Map<string, ReadonlySet<string>>([
    ['Agent', names(world.agents)],
    ['Segment', names(world.segments)],
    ...RESOURCE_KINDS.map((kind) => [KIND_TYPES[kind], names(world.resources.filter((resource) => kindOf(resource) === kind))] as const),
    ['Tool', idsOf('tool')],
    ['Route', idsOf('route')],
    ['Action', new Set<string>([...GROUPS, ...METHODS.keys(), ...typed])],
  ]);
  return { world, catalog, known };
}

interface Mention {
  readonly type: string;
  readonly id: string;
  readonly at: number;
  readonly length: number;
}

/** Every entity in a policy that is not registered. Types that do not exist are the validator's to refuse. */
export function entityFlaws({ statement: { source, tokens }, policy: { id: policy } }: Identified, names: Names): readonly Flaw[] {
  return mentionsIn(tokens).flatMap((mention): Flaw[] => {
    const known = names.known.get(mention.type);
    if (known === undefined || known.has(mention.id)) return [];
    const { at, length } = mention;
    return [{ rule: 'unknown-entity', source, at, length, policy, ...unknown(mention, names, [...known]) }];
  });
}

/** `Agent::"clerk"`: a word, `::`, a string. */
function mentionsIn(tokens: readonly Token[]): readonly Mention[] {
  return tokens.flatMap((token, index) => {
    const [type, mark] = [tokens[index - 2], tokens[index - 1]];
    if (token.kind !== 'string' || mark?.text !== '::' || type?.kind !== 'word' || tokens[index - 3]?.text === '::') return [];
    return [{ type: type.text, id: unescaped(token.text), at: type.at, length: endOf(token) - type.at }];
  });
}

const ESCAPE = /\\(?:u\{([0-9a-fA-F]{1,6})\}|x([0-7][0-9a-fA-F])|(.))/gu;
const CONTROLS: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '0': '\0' };

/** The value of a string literal that the engine has parsed. */
const unescaped = (literal: string): string =>
  literal.slice(1, -1).replaceAll(ESCAPE, (_all, unicode?: string, hex?: string, plain?: string) => {
    const code = unicode ?? hex;
    return code === undefined ? (CONTROLS[plain ?? ''] ?? plain ?? '') : String.fromCodePoint(Number.parseInt(code, 16));
  });

type Said = Pick<Flaw, 'message' | 'expected' | 'help'>;

const KINDS: Readonly<Record<string, string>> = {
  Agent: 'agent',
  Segment: 'segment',
  Server: 'resource',
  Api: 'HTTP API',
  Egress: 'egress resource',
  Tool: 'tool',
  Route: 'route',
  Action: 'action',
};

function unknown({ type, id }: Mention, names: Names, known: readonly string[]): Said {
  const isTool = type === 'Tool' || type === 'Route' || type === 'Action';
  const [server = ''] = id.split('/', 1);
  const input = names.catalog.get(id)?.input;
  if (isTool && input instanceof Refusal) {
    return {
      message: `the tool \`${id}\` cannot be typed, so every call of it is denied: ${input.message}`,
      help: 'have its server mend the input schema',
    };
  }
  if (isTool && id !== server && names.known.get('Server')?.has(server) === true && (names.world.tools.get(server) ?? []).length === 0) {
    return {
      message: `the tools of \`${server}\` are not known: it has not been seen running`,
      help: 'start it once behind `cordon up`, or name a world that has them: `--world FILE`',
    };
  }
  const [meant] = similar(id, known);
  return {
    message: `no ${KINDS[type] ?? 'entity'} is called \`${id}\``,
    ...(known.length === 0 ? {} : { expected: listed(isTool ? sameServer(server, known) : known) }),
    help: meant === undefined ? 'register it in cordon.yaml, or mend the name' : `did you mean \`${type}::${JSON.stringify(meant)}\`?`,
  };
}

const sameServer = (server: string, known: readonly string[]): readonly string[] => {
  const siblings = known.filter((name) => name.startsWith(`${server}/`));
  return siblings.length > 0 ? siblings : known;
};

const SHOWN = 8;
const listed = (names: readonly string[]): string =>
  `${names.length === 1 ? '' : 'one of '}${names.slice(0, SHOWN).join(', ')}${names.length > SHOWN ? `, and ${names.length - SHOWN} more` : ''}`;
