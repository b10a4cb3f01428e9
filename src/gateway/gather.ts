// A body taken in whole, up to a bound. By events, because an async iterator costs more than the parsing of what it brings. INVARIANT I10
import type { Readable } from 'node:stream';

/**
 * Everything that `stream` brings, when that is at most `most` bytes. What is more is left unread, and the stream open.
 * @returns undefined when it is more @throws Error when the stream breaks, or closes before its end
 */
export function gather(stream: Readable, most: number): Promise<Uint8Array | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array | undefined>();
  const chunks: Uint8Array[] = [];
  let size = 0;
  const onData = (chunk: Uint8Array): void => {
    size += chunk.byteLength;
    chunks.push(chunk);
    if (size > most) leave(() => resolve(undefined));
  };
  const onEnd = (): void => leave(() => resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)));
  const onClose = (): void => leave(() => reject(new Error('closed before its end')));
  const leave = (settle: () => void): void => {
    stream.off('data', onData).off('end', onEnd).off('close', onClose);
    if (size > most) stream.pause();
    settle();
  };
  // it stays: an error that comes later has nobody else who hears it
  stream.on('error', reject);
  stream.on('data', onData).on('end', onEnd).on('close', onClose);
  if (stream.closed) onClose(); // it says so once
  return promise;
}
