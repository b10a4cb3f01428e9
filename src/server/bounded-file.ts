// Files that people name, of which so many bytes are read and no more, whatever the file turns out to be.
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/**
 * A regular file as text; undefined when it is longer. A pipe or a device is none: it might never end, or never begin.
 * @throws Error when there is none, when it is no regular file, and when it is no UTF-8
 */
export async function readBounded(path: string, maxBytes: number): Promise<string | undefined> {
  // without waiting for somebody to write into a pipe
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new Error('not a regular file');
    if (found.size > maxBytes) return undefined;
    // it may have grown since
    return await readBoundedStream(file.createReadStream({ autoClose: false, end: maxBytes }), maxBytes);
  } finally {
    await file.close();
  }
}

/** All that comes, as text; undefined, and no more is read, when it is longer. @throws Error when it is no UTF-8 */
export async function readBoundedStream(stream: AsyncIterable<Uint8Array | string>, maxBytes: number): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    const part = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    bytes += part.length;
    if (bytes > maxBytes) return undefined;
    chunks.push(part);
  }
  return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
}
