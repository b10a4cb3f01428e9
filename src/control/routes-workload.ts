// The route by which a launcher gets the socket of a run that it started.
import * as z from 'zod';
import { runId } from './input.ts';
import { route, type RouteRow } from './route.ts';

const socket = z.strictObject({
  run: runId,
  /** Process id of the launcher. */
  launcher: z.int().min(2).max(4_194_304),
});

export const WORKLOAD_ROUTES: readonly RouteRow[] = [
  route(['POST', '/v1/runs/:run/socket', 'operator'], socket, async ({ control, input }) => ({
    schema: 'cordon.socket/v1',
    run: input.run,
    socket: (await control.workload.openRun(input.run, input.launcher)) ?? null,
  })),
];
