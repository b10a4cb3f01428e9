// How often something happened in the last so much time. Counted in slots, so that memory is bounded however often it is; what is as old as the
// window is counted a slot longer, never shorter. Pure: the caller says when.

/** A sixtieth of the window each. */
const SLOTS = 60;

export class Window {
  readonly #slotMs: number;
  readonly #counts = new Map<number, number>();

  /** Milliseconds. */
  constructor(ms: number) {
    this.#slotMs = ms / SLOTS;
  }

  add(now: number): void {
    const slot = Math.floor(now / this.#slotMs);
    this.#counts.set(slot, (this.#counts.get(slot) ?? 0) + 1);
    if (this.#counts.size > 2 * SLOTS) this.#forget(slot - SLOTS);
  }

  /** What was added at this time was nothing. */
  remove(at: number): void {
    const slot = Math.floor(at / this.#slotMs);
    const times = this.#counts.get(slot);
    if (times === undefined) return;
    if (times === 1) this.#counts.delete(slot);
    else this.#counts.set(slot, times - 1);
  }

  /** With what stands at a later time: a clock that was set back. */
  count(now: number): number {
    const oldest = Math.floor(now / this.#slotMs) - SLOTS;
    let all = 0;
    for (const [slot, times] of this.#counts) if (slot >= oldest) all += times;
    return all;
  }

  #forget(before: number): void {
    for (const slot of this.#counts.keys()) if (slot < before) this.#counts.delete(slot);
  }
}
