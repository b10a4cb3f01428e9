// What each run is made of: what its attestor saw, what it reports of itself, and whether that is what was registered. Drift is on record and
// ends renewal. A workload's own word is enough to raise drift, and never to lift it.
import { Refusal } from '../../domain/refusal.ts';
import {
  COMPOSITION_PARTS,
  compositionText,
  driftOf,
  parseComposition,
  unseenOf,
  type Composition,
  type CompositionPart,
} from '../../identity/composition.ts';
import type { RegistrationEntry } from '../../identity/registration.ts';
import type { Entries, PostureRow } from '../../store/ports.ts';
import type { Entitlement } from './evidence.ts';
import { recordAct, type ActLog } from '../acts.ts';

/** How long a run has to report what is expected of it. Milliseconds. */
const REPORT_WITHIN = 60_000;
/** No SVID lives longer, so nobody asks for a run that has not renewed for so long. Milliseconds. */
const FORGOTTEN = 26 * 3_600_000;

export interface Posture extends Omit<PostureRow, 'composition' | 'drift'> {
  readonly composition: Composition;
  readonly drift: readonly CompositionPart[];
}

export interface PostureParts extends ActLog {
  readonly store: Pick<Entries, 'putPosture' | 'postures'>;
  /** As it is registered now. */
  readonly entry: (id: string) => RegistrationEntry | undefined;
  /** What is known of a run is another now. */
  readonly onChange?: (posture: Posture) => void;
}

export interface Postures {
  /** Of a run that lives; absent when an operator started it and nothing was seen of it. */
  of(run: string): Posture | undefined;
  begin(run: string, entitlement: Entitlement, agent: { readonly owner: string; readonly purpose: string }): Promise<void>;
  /** Lets a run renew. @throws Refusal CORDON-1012 its entry is gone, CORDON-1015 it is not what was registered, or has not said */
  check(run: string): void;
  /** What a workload says of itself. @throws Refusal CORDON-1012 when it was not attested */
  report(run: string, seen: Composition): Promise<Posture>;
  /** What an operator says of a run, or accepts: drift from what is registered stays, all other is lifted. */
  attest(run: string, seen: Composition, actor: string, reason: string): Promise<Posture>;
}

/** @throws Refusal CORDON-9004, CORDON-9006 */
export async function openPostures(parts: PostureParts): Promise<Postures> {
  const rows = await parts.store.postures();
  return new StoredPostures(parts, rows.map(postureOf));
}

class StoredPostures implements Postures {
  readonly #parts: PostureParts;
  readonly #byRun = new Map<string, { posture: Posture; askedAt: number }>();
  #sweepAt = 1000;

  constructor(parts: PostureParts, postures: readonly Posture[]) {
    this.#parts = parts;
    for (const posture of postures) this.#byRun.set(posture.runId, { posture, askedAt: parts.now() });
  }

  of(run: string): Posture | undefined {
    return this.#byRun.get(run)?.posture;
  }

  async begin(
    run: string,
    { attestor, entry, selectors, composition }: Entitlement,
    { owner, purpose }: { owner: string; purpose: string },
  ): Promise<void> {
    this.#sweep();
    const at = this.#parts.now();
    const by = entry === undefined ? {} : { entryId: entry.id };
    await this.#keep({ runId: run, attestor, ...by, selectors, owner, purpose, composition, drift: [], at });
  }

  check(run: string): void {
    const kept = this.#byRun.get(run);
    if (kept === undefined) return;
    kept.askedAt = this.#parts.now();
    const { entryId, drift, composition, at } = kept.posture;
    const expected = this.#expected(entryId);
    const differs = [...new Set([...drift, ...driftOf(expected, composition)])];
    if (differs.length > 0) throw drifted(composition, expected, differs);
    const unseen = unseenOf(expected, composition);
    if (unseen.length === 0 || kept.askedAt < at + REPORT_WITHIN) return;
    throw new Refusal('CORDON-1015', `the run has not reported what it is made of: ${unseen.join(', ')}`, {
      expected: compositionText(expected, unseen),
      fix: 'report it after the start: POST /v1/posture on the control listener',
    });
  }

  async report(run: string, seen: Composition): Promise<Posture> {
    const posture = this.#known(run);
    // what drifted once stays as it was first seen, so that a run cannot fill the log by changing its mind
    const news = COMPOSITION_PARTS.filter(
      (part) => seen[part] !== undefined && seen[part] !== posture.composition[part] && !posture.drift.includes(part),
    );
    if (news.length === 0) return posture;
    const composition = { ...posture.composition, ...Object.fromEntries(news.map((part) => [part, seen[part]])) };
    const changed = news.filter((part) => posture.composition[part] !== undefined);
    const drift = [...new Set([...posture.drift, ...changed, ...driftOf(this.#expected(posture.entryId), composition)])];
    this.#log(drift.length > posture.drift.length ? 'posture.drift' : 'posture.report', 'workload', { ...posture, composition, drift });
    return this.#keep({ ...posture, composition, drift });
  }

  async attest(run: string, seen: Composition, actor: string, reason: string): Promise<Posture> {
    const posture = this.#known(run);
    const composition = { ...posture.composition, ...seen };
    const next = { ...posture, composition, drift: driftOf(this.#expected(posture.entryId), composition) };
    this.#log('posture.attest', actor, next, reason);
    return this.#keep(next);
  }

  /** @throws Refusal CORDON-1012 */
  #expected(entryId: string | undefined): Composition {
    if (entryId === undefined) return {};
    const entry = this.#parts.entry(entryId);
    if (entry !== undefined) return entry.composition;
    throw new Refusal('CORDON-1012', 'the registration entry of this run is gone', {
      observed: entryId,
      fix: 'start a new run of what is registered now',
    });
  }

  #known(run: string): Posture {
    const posture = this.of(run);
    if (posture !== undefined) return posture;
    throw new Refusal('CORDON-1012', 'the run was not attested, so nothing is expected of it', { observed: run });
  }

  async #keep(posture: Posture): Promise<Posture> {
    await this.#parts.store.putPosture({ ...posture, composition: { ...posture.composition } });
    this.#byRun.set(posture.runId, { posture, askedAt: this.#parts.now() });
    this.#parts.onChange?.(posture);
    return posture;
  }

  #sweep(): void {
    if (this.#byRun.size < this.#sweepAt) return;
    const now = this.#parts.now();
    for (const [run, { askedAt }] of this.#byRun) if (now - askedAt > FORGOTTEN) this.#byRun.delete(run);
    this.#sweepAt = this.#byRun.size * 2 + 1000;
  }

  #log(act: string, actor: string, { runId, composition, drift }: Posture, reason?: string): void {
    const detail = { composition: { ...composition }, drift: [...drift] };
    recordAct(this.#parts, { actor, act, target: runId, reason, detail });
  }
}

/** Made of something else than was registered, or than it was. */
export const drifted = (seen: Composition, expected: Composition, parts: readonly CompositionPart[]): Refusal =>
  new Refusal('CORDON-1015', `what runs is not what was registered: ${parts.join(', ')}`, {
    observed: compositionText(seen, parts),
    expected: parts.some((part) => expected[part] !== undefined) ? compositionText(expected, parts) : 'what it was when it started',
  });

const postureOf = (row: PostureRow): Posture => ({
  ...row,
  composition: parseComposition(row.composition),
  drift: COMPOSITION_PARTS.filter((part) => row.drift.includes(part)),
});
