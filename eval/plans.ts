// A recorded planner's words as a plan: which tools, and which argument is to come out of which tool's output.
import type { Plan } from '../src/trust/session.ts';
import type { RecordedPlan } from './recordings.ts';

const STEP = /['"]name['"]\s*:\s*['"](\w+)['"]/g;
const SOURCE = /['"](\w+)['"]\s*:\s*['"]([^'"]*)['"]/g;

export function planOf({ trajectory, checklist }: Pick<RecordedPlan, 'trajectory' | 'checklist'>): Plan {
  const text = checklist ?? '';
  const steps = [...text.matchAll(STEP)];
  const supplies = steps.flatMap((step, at) => {
    const own = text.slice(step.index, steps[at + 1]?.index ?? text.length);
    const conditions = own.slice(Math.max(0, own.search(/['"]conditions['"]/)));
    return [...conditions.matchAll(SOURCE)].flatMap(([, argument = '', said = '']) =>
      trajectory.filter((from) => said.includes(from)).map((from) => ({ tool: step[1] ?? '', argument, from })),
    );
  });
  return { tools: trajectory, text, supplies };
}
