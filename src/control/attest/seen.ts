// What an attestor made of evidence: facts as selectors, and what it saw of the workload's composition.
import { Refusal } from '../../domain/refusal.ts';
import type { Composition } from '../../identity/composition.ts';
import { selectorsOf, type Attestor, type Selector } from '../../identity/selectors.ts';
import type { LauncherEvidence, UnixEvidence } from './evidence.ts';

export interface Seen {
  readonly attestor: Attestor;
  readonly selectors: readonly Selector[];
  readonly composition: Composition;
}

type Fact = readonly [kind: string, value: string | number | undefined];

const known = (facts: readonly Fact[]): readonly (readonly [string, string])[] =>
  facts.flatMap(([kind, value]) => (value === undefined ? [] : [[kind, String(value)] as const]));

const binary = (digest: string | undefined): Composition => (digest === undefined ? {} : { binary: digest });

/** The kernel's word. @throws Refusal CORDON-1005 when it says nothing of a user */
export function seenByKernel({ pid, uid, gid, path, sha256 }: UnixEvidence): Seen {
  // 2^32 − 1 is nobody: what a socket says of a peer in another user namespace that has no name here is no fact
  if (pid <= 0 || uid < 0 || uid >= 2 ** 32 - 1)
    throw new Refusal('CORDON-1005', 'the peer of the socket is not known', { observed: `pid ${pid}, uid ${uid}` });
  const facts: readonly Fact[] = [
    ['unix:uid', uid],
    ['unix:gid', gid],
    ['unix:path', path],
    ['unix:sha256', sha256],
  ];
  return { attestor: 'unix', selectors: selectorsOf(known(facts)), composition: binary(sha256) };
}

/** The launcher's word, under the operator's certificate. */
export function seenByLauncher({ uid, digest, script, locks, parent }: LauncherEvidence): Seen {
  const facts: readonly Fact[] = [
    ['launcher:uid', uid],
    ['launcher:digest', digest],
    ['launcher:script', script],
    ...locks.map((lock) => ['launcher:lock', lock] as const),
    ['launcher:parent', parent],
  ];
  return { attestor: 'launcher', selectors: selectorsOf(known(facts)), composition: binary(digest) };
}
