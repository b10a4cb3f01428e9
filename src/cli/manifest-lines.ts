// Manifests of tools as people read them, and as the YAML that they correct. attacker-controlled: names are the server's
import { similar } from '../domain/similar.ts';
import { Failure } from './errors.ts';
import type { Paint } from './paint.ts';
import type { ReplyOf } from './replies.ts';
import { type Cell, table } from './table.ts';
import { several } from './units.ts';
import { inSight, plain } from './untrusted.ts';

type Manifests = ReplyOf<'manifests'>;
type Tool = Manifests['tools'][number];

/** All of them, or the one. @throws Failure when there is no such tool */
export function withTool({ resource, tools }: Manifests, name: string | undefined): readonly Tool[] {
  const shown = name === undefined ? tools : tools.filter((tool) => tool.name === name);
  if (name === undefined || shown.length > 0) return shown;
  const near = similar(
    name,
    tools.map((tool) => tool.name),
  );
  throw new Failure('usage', `\`${resource}\` has no \`${name}\``, {
    code: 'CORDON-3003',
    fix: near.map((one) => `did you mean \`${resource}/${one}\`?`),
  });
}

type Shown = Pick<Manifests, 'resource' | 'unknown'> & { readonly tools: readonly Tool[] };

export function manifestLines(paint: Paint, { resource, tools, unknown }: Shown): readonly string[] {
  if (tools.length === 0) return [`${plain(resource)} has no tools yet; \`cordon status\` says whether it was reached`];
  const rows = tools.map((tool): readonly Cell[] => [
    inSight(tool.name),
    tool.effect === 'write' ? [tool.effect, (text) => paint('bold', text)] : tool.effect,
    tool.standing === 'drafted' || tool.standing === 'reviewed' ? tool.standing : [tool.standing, (text) => paint('bad', text)],
    tool.output,
    tool.arguments
      .map(({ name, role, drafted }) => `${inSight(name)}: ${role}${role === drafted ? '' : ` (drafted ${drafted})`}`)
      .join(', '),
  ]);
  const stale = tools.filter(({ standing }) => standing === 'outdated' || standing === 'misfit').length;
  return [
    ...table(
      [['TOOL', 'EFFECT', 'STANDING', 'GIVES', 'ARGUMENTS'].map((head) => [head, (text) => paint('dim', text)] as const), ...rows],
      0,
    ),
    ...(stale === 0
      ? []
      : [
          '',
          `${paint.mark('!')} ${several(stale, 'review')} of another definition, or of arguments that are not there: the draft counts until somebody looks again`,
        ]),
    ...unknown.map((name) => `${paint.mark('!')} reviewed, and no tool of ${plain(resource)}: ${inSight(name)}`),
  ];
}

export const writtenLines = (paint: Paint, resource: string, file: string): readonly string[] => [
  '',
  `${paint.mark('v')} written to ${plain(file)}`,
  `  next: correct it, name it in cordon.yaml (\`manifests: ${plain(file)}\` of \`${plain(resource)}\`), and start Cordon again`,
];

/** What `manifests:` of a resource names. */
export async function manifestsYaml({ resource, tools }: Shown): Promise<string> {
  const { stringify } = await import('yaml');
  const entries = tools.map(({ name, definition, effect, output, arguments: given }): [string, object] => [
    name,
    { definition, effect, output, arguments: Object.fromEntries(given.map((argument) => [argument.name, argument.role])) },
  ]);
  return `${HEAD(plain(resource))}${stringify({ tools: Object.fromEntries<object>(entries) }, { lineWidth: 0 })}`;
}

const HEAD = (
  resource: string,
): string => `# What the tools of ${resource} do, and what their arguments are for. Each entry is of one definition; when the server changes it, the draft
# counts again until somebody has looked. What is left out is as drafted.
#   effect     read, write
#   output     records: the tool's own; document: a record that may hold others' text; text: what others wrote
#   arguments  sink: says where something goes or what is acted on; content: free text; quantity: numbers, dates, choices;
#              proof: a one-time code; query: what a search looks for; fresh: the name of a thing that the call makes
`;
