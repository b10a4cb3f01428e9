// How the socket says no. Standard: SPIFFE Workload API §4 (error codes), SPIFFE Workload Endpoint §3 (security header).
import { status, type Metadata } from '@grpc/grpc-js';
import { Refusal } from '../../domain/refusal.ts';

/** A gRPC status that ends a call. */
export class CallStatus extends Error {
  readonly code: status;
  readonly details: string;

  constructor(code: status, details: string) {
    super(details);
    this.name = 'CallStatus';
    this.code = code;
    this.details = details;
  }
}

export const invalidArgument = (details: string): CallStatus => new CallStatus(status.INVALID_ARGUMENT, details);

/** What a caller of the socket is told. It is a process of this machine, so it hears the reason. */
export function statusOf(error: unknown): CallStatus {
  if (error instanceof CallStatus) return error;
  if (!(error instanceof Refusal)) return new CallStatus(status.INTERNAL, 'failed');
  return new CallStatus(codeOf(error), `${error.code} ${error.message}`);
}

function codeOf({ code, row }: Refusal): status {
  if (code === 'CORDON-4003') return status.RESOURCE_EXHAUSTED;
  if (code === 'CORDON-9011') return status.INVALID_ARGUMENT;
  return row.kind === 'system' ? status.UNAVAILABLE : status.PERMISSION_DENIED;
}

const HEADER = 'workload.spiffe.io';

/** A request that something was tricked into sending does not carry this header. @throws CallStatus INVALID_ARGUMENT */
export function checkHeader(metadata: Metadata): void {
  const [value, ...more] = metadata.get(HEADER);
  if (value !== 'true' || more.length > 0) throw invalidArgument(`security header missing from request: \`${HEADER}: true\``);
}
