// A recorded planner's words as a plan: which tools, which argument is to come out of which tool's output, and which it took from the prompt.
import type { Plan } from '../src/trust/session.ts';
import type { RecordedPlan } from './recordings.ts';

const STEP = /['"]name['"]\s*:\s*['"](\w+)['"]/g;
const SOURCE = /['"](\w+)['"]\s*:\s*['"]([^'"]*)['"]/g;
/** An argument with its value: a string, a list of strings, or nothing yet. */
const VALUE = /['"](\w+)['"]\s*:\s*(?:(['"])(.*?)\2(?=\s*[,}])|(\[[^\]]*\])|(?:null|None))/g;

export function planOf({ trajectory, checklist }: Pick<RecordedPlan, 'trajectory' | 'checklist'>, prompt: string): Plan {
  const text = checklist ?? '';
  const found = [...text.matchAll(STEP)];
  const steps = found.map((step, at) => {
    const own = text.slice(step.index, found[at + 1]?.index ?? text.length);
    const conditions = own.search(/['"]conditions['"]/);
    return { tool: step[1] ?? '', given: own.slice(0, conditions), conditions: own.slice(Math.max(0, conditions)) };
  });
  const supplies = steps.flatMap(({ tool, conditions }) =>
    [...conditions.matchAll(SOURCE)].flatMap(([, argument = '', said = '']) =>
      trajectory.filter((from) => said.includes(from)).map((from) => ({ tool, argument, from })),
    ),
  );
  const given = steps.flatMap(({ tool, given: own }) =>
    [...own.matchAll(VALUE)].map(([, argument = '', , one, several]) => ({
      tool,
      argument,
      fixed: valuesIn(one, several).some((value) => prompt.toLowerCase().includes(value.toLowerCase())),
    })),
  );
  const isOpen = (tool: string, argument: string): boolean =>
    given.some((each) => each.tool === tool && each.argument === argument && !each.fixed) ||
    supplies.some((each) => each.tool === tool && each.argument === argument);
  const fixes = given
    .filter(({ tool, argument, fixed }) => fixed && !isOpen(tool, argument))
    .map(({ tool, argument }) => ({ tool, argument }));
  return { tools: trajectory, text, supplies, fixes };
}

const valuesIn = (one: string | undefined, several: string | undefined): string[] =>
  one === undefined
    ? [...(several ?? '').matchAll(/['"]([^'"]+)['"]/g)].map(([, value = '']) => value)
    : [one.replace(/^https?:\/\//, '')].filter((value) => value.length > 1);
