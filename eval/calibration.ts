// The naive policies whose exact results on the development recordings are known (../shared/data/README.md §3): whether the harness
// counts as everyone else does. Some are oracles, which look at labels no engine may see; none ships.
import type { Recordings } from './recordings.ts';
import type { Opener, Subject } from './score.ts';

type Reads = (subject: Subject, fn: string) => boolean;
const recordedReads: Reads = ({ task }, fn) => task.tools.find(({ name }) => name === fn)?.drift_permission === 'Read';
const only =
  (allowed: (subject: Subject, fn: string) => boolean): Opener =>
  (subject) => ({ decide: ({ fn }) => (allowed(subject, fn) ? 'allow' : 'deny'), observe: () => {} });

const inPlan = ({ task }: Subject, fn: string): boolean => task.plans.some(({ trajectory }) => trajectory.includes(fn));

function freezeAfterInjection(): Opener {
  return (subject) => {
    let index = -1;
    return {
      decide: ({ fn }) => {
        index += 1;
        const tainted = subject.injectedOutputs.some((output) => output < index);
        return !tainted || recordedReads(subject, fn) ? 'allow' : 'deny';
      },
      observe: () => {},
    };
  };
}

export function calibrationPolicies(recordings: Recordings): Readonly<Record<string, Opener>> {
  const truth = ({ suite, userTask }: Subject, fn: string): boolean =>
    recordings.suites
      .get(suite)
      ?.user_tasks.find(({ id }) => id === userTask)
      ?.gt?.some((call) => call.fn === fn) ?? false;
  return {
    'allow all': only(() => true),
    'deny all': only(() => false),
    'reads only': only(recordedReads),
    'recorded plan': only((subject, fn) => recordedReads(subject, fn) || inPlan(subject, fn)),
    'ground truth': only((subject, fn) => recordedReads(subject, fn) || truth(subject, fn)),
    'freeze after injection': freezeAfterInjection(),
  };
}
