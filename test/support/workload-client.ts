// A client of the Workload API in this process, by @grpc/grpc-js; streams are read message by message.
import { Client, credentials, Metadata, type ClientReadableStream, type ServiceError } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import { WORKLOAD_API } from '../../src/control/workload/descriptor.ts';

const definition = fromJSON(WORKLOAD_API, { keepCase: true, defaults: true, enums: String, longs: String });
const service = definition['SpiffeWorkloadAPI'] as Record<
  string,
  { path: string; requestSerialize: (value: object) => Buffer; responseDeserialize: (bytes: Buffer) => object }
>;

export const HEADER = new Metadata();
HEADER.set('workload.spiffe.io', 'true');

export interface Stream<T> {
  /** The next message. Rejects with the status when the stream ends first. */
  next(): Promise<T>;
  /** The status that it ends with. */
  readonly ended: Promise<{ readonly code: number; readonly details: string }>;
  readonly call: ClientReadableStream<T>;
}

export class WorkloadClient {
  readonly #client: Client;

  constructor(socket: string) {
    this.#client = new Client(`unix://${socket}`, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  }

  stream<T extends object>(method: string, request: object = {}, metadata = HEADER): Stream<T> {
    const { path, requestSerialize, responseDeserialize } = service[method] ?? missing(method);
    const call = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      (bytes) => responseDeserialize(bytes) as T,
      request,
      metadata,
    );
    const ended = new Promise<{ code: number; details: string }>((resolve) => {
      call.once('error', (error: ServiceError) => resolve({ code: error.code, details: error.details }));
      call.once('end', () => resolve({ code: 0, details: '' }));
    });
    const got: T[] = [];
    let wake = (): void => undefined;
    call.on('data', (message: T) => {
      got.push(message);
      wake();
    });
    const next = async (): Promise<T> => {
      while (got.length === 0) {
        const more = new Promise<undefined>((resolve) => (wake = () => resolve(undefined)));
        const end = await Promise.race([more, ended]);
        if (end !== undefined) throw Object.assign(new Error(end.details), { code: end.code });
      }
      return got.shift() as T;
    };
    return { next, ended, call };
  }

  unary<T extends object>(method: string, request: object = {}, metadata = HEADER): Promise<T> {
    const { path, requestSerialize, responseDeserialize } = service[method] ?? missing(method);
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        (bytes) => responseDeserialize(bytes) as T,
        request,
        metadata,
        (error, value) => {
          if (error !== null || value === undefined) reject(error ?? new Error('nothing'));
          else resolve(value);
        },
      );
    });
  }

  close(): void {
    this.#client.close();
  }
}

function missing(method: string): never {
  throw new Error(`no method ${method}`);
}
