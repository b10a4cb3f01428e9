// The section `workload` of `cordon.yaml`: the sockets of the SPIFFE Workload API.
import { resolve } from 'node:path';
import * as z from 'zod';
import type { WorkloadConfig } from '../control/config.ts';

/** Who may connect to the shared socket → mode of its file. Who they are is attested all the same. */
const MODES = { owner: 0o600, group: 0o660, everyone: 0o666 } as const;

export const WORKLOAD_SECTION = z.strictObject({
  /** For processes that `cordon run` did not start; left out: there is none. */
  socket: z.string().min(1).exactOptional(),
  access: z.enum(['owner', 'group', 'everyone']).default('owner'),
  /** Directory of the sockets of runs; left out: `run` in the data directory. */
  runs: z.string().min(1).exactOptional(),
});

/** Paths in it start at `base`. */
export const workloadOf = ({ socket, access, runs }: z.infer<typeof WORKLOAD_SECTION>, base: string): WorkloadConfig => ({
  ...(socket === undefined ? {} : { socket: { path: resolve(base, socket), mode: MODES[access] } }),
  ...(runs === undefined ? {} : { runs: resolve(base, runs) }),
});
