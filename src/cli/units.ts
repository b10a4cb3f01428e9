// Figures as people read them: `20,413`, `2 calls`, `12 ms`, `14 m`.

export const count = (value: number): string => value.toLocaleString('en-US');

/** `1 call`, `2 calls`. */
export const several = (value: number, one: string, many = `${one}s`): string => `${count(value)} ${value === 1 ? one : many}`;

/** A span of milliseconds in its largest fitting unit. */
export function duration(ms: number): string {
  const abs = Math.abs(ms);
  if (abs < 1_000) return `${Math.round(ms)} ms`;
  if (abs < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (abs < 2 * 3_600_000) return `${Math.floor(ms / 60_000)} m`;
  if (abs < 2 * 86_400_000) return `${Math.floor(ms / 3_600_000)} h`;
  return `${Math.floor(ms / 86_400_000)} d`;
}

/** What is left until a moment, or that it is over. Unix milliseconds. */
export const until = (moment: number, now: number): string =>
  moment > now ? `valid ${duration(moment - now)}` : `expired ${duration(now - moment)} ago`;
