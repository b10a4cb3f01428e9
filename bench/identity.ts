// `identity`: what it costs to give an identity, beside the raw signature in it, and what ten thousand agents cost that renew theirs.
import { agents } from './identity/agents.ts';
import { svids } from './identity/svids.ts';
import { tokens } from './identity/tokens.ts';
import type { Bench, BenchOptions, Report } from './row.ts';

/** In this order. */
const PARTS: readonly ((options: BenchOptions) => Promise<Report>)[] = [svids, tokens, agents];

export const identity: Bench = async (options) => {
  const reports: Report[] = [];
  for (const part of PARTS) reports.push(await part(options));
  return { rows: reports.flatMap(({ rows }) => rows), says: reports.flatMap(({ says }) => says) };
};
