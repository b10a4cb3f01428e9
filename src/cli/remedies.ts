// What would help after a denial: at most three, the smallest first (UX reference §7, rule 3). Known causes only; `none` is one too.
import { CODES, isCode, type Code } from '../domain/codes.ts';
import type { DecisionRecord, Explanation } from './replies.ts';

export interface Remedy {
  readonly type: 'grant' | 'policy' | 'alternative' | 'none';
  readonly text: string;
  readonly cmd?: string;
  readonly file?: string;
  readonly line?: number;
  readonly owner?: string;
}

/** What a remedy depends on; a record has it all, a hypothetical answer most of it. */
export type Denied = Pick<DecisionRecord, 'verdict' | 'code' | 'principal' | 'action' | 'resource' | 'segment'> & {
  /** Ids of the policies that decided. */
  readonly determining: readonly string[];
};

export function remediesOf(denied: Denied, explanation: Explanation | undefined): readonly Remedy[] {
  const { verdict, code } = denied;
  if (verdict === 'allow') return [];
  const known = code !== undefined && isCode(code) ? code : undefined;
  const written = [...annotated(explanation), ...nearest(known, explanation)];
  const own = known === undefined ? undefined : BY_CODE[known]?.(denied);
  const general = own ?? (known === undefined ? [] : [{ type: 'alternative', text: fixOf(known) } as const]);
  const all = written.length > 0 && own === undefined ? written : [...written, ...general];
  return all.length === 0 ? [{ type: 'none', text: 'nothing is known that would allow it' }] : all.slice(0, 3);
}

/** The fix of its row without the hint at `cordon why`: whoever reads this has that before them. */
const fixOf = (code: Code): string => CODES[code].fix.replace(/(;| with) `cordon why`.*$/, '');

/** `@fix` of a policy that decided, in its author's words. */
function annotated(explanation: Explanation | undefined): readonly Remedy[] {
  return (explanation?.determining ?? []).flatMap(({ effect, annotations, source }) =>
    effect === 'forbid' && (annotations['fix'] !== undefined || annotations['owner'] !== undefined)
      ? [{ type: 'policy' as const, text: annotations['fix'] ?? 'ask the owner of the policy', ...placed(source, annotations) }]
      : [],
  );
}

/** The one clause that stands between the call and the nearest permit. */
function nearest(code: Code | undefined, explanation: Explanation | undefined): readonly Remedy[] {
  const [near] = explanation?.nearest ?? [];
  if (near === undefined) return [];
  if (code === 'CORDON-3019') return [{ type: 'alternative', text: `stay within \`${near.failedClause}\` of ${near.policy}` }];
  const text = `send arguments for which \`${near.failedClause}\` holds`;
  return [
    ...(code === 'CORDON-3005' ? [{ type: 'alternative', text } as const] : []),
    {
      type: 'policy',
      text: `widen \`${near.failedClause}\` of \`${near.policy}\`, if this is meant to be allowed`,
      ...placed(near.source, near.annotations),
    },
  ];
}

function placed(source: string | undefined, annotations: Readonly<Record<string, string>>): Pick<Remedy, 'file' | 'line' | 'owner'> {
  const [, file, line] = /^(.*):(\d+)$/.exec(source ?? '') ?? [];
  const owner = annotations['owner'];
  return {
    ...(file === undefined ? {} : { file, line: Number(line) }),
    ...(owner === undefined ? {} : { owner }),
  };
}

const agentOf = (principal: string | undefined): string => principal?.split('/')[4] ?? 'AGENT';
const serverOf = (resource: string): string => resource.split('/', 1)[0] ?? resource;

/** Whose level it is: the caller's, unless the guardrail for called agents decided. */
function release({ principal, resource, determining }: Denied): readonly Remedy[] {
  const agent = determining.includes('cordon.level.callee-off') ? resource : agentOf(principal);
  return [{ type: 'alternative', text: 'lift it, when it is safe', cmd: `cordon release ${agent} --reason TEXT` }];
}

const approve = (): readonly Remedy[] => [
  { type: 'grant', text: 'a person looks at exactly this call, and answers', cmd: 'cordon grant list' },
];

const mend: readonly Remedy[] = [
  { type: 'policy', text: 'mend the policies, then put them in force', cmd: 'cordon policy apply' },
  { type: 'policy', text: 'or go back to the version before', cmd: 'cordon policy rollback' },
  { type: 'alternative', text: 'see what is wrong', cmd: 'cordon status' },
];

/** Codes whose remedy is known better than their row says it. */
const BY_CODE: Partial<Record<Code, (denied: Denied) => readonly Remedy[]>> = {
  'CORDON-3004': ({ resource }) => [
    {
      type: 'alternative',
      text: 'compare the definition with the pinned one, then accept it',
      cmd: `cordon tools diff ${serverOf(resource)}`,
    },
  ],
  'CORDON-3007': ({ segment }) => [
    {
      type: 'policy',
      text:
        segment?.src === undefined || segment.dst === undefined
          ? 'link the segments, if this traffic is meant to exist'
          : `list \`${segment.dst}\` under \`segments.${segment.src}.links\`, if this traffic is meant to exist`,
      file: 'cordon.yaml',
    },
  ],
  'CORDON-3019': () => [{ type: 'alternative', text: CODES['CORDON-3019'].fix }],
  'CORDON-4002': release,
  'CORDON-4004': release,
  'CORDON-5001': approve,
  'CORDON-5003': approve,
  'CORDON-5004': approve,
  'CORDON-5006': approve,
  'CORDON-5007': () => [{ type: 'alternative', text: CODES['CORDON-5007'].fix }],
  'CORDON-9006': () => mend,
  'CORDON-9007': () => mend,
  'CORDON-9008': () => mend,
};
