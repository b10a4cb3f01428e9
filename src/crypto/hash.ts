// SHA-256 (FIPS 180-4), the one digest of Cordon: log tree, commitments, fingerprints.
import { createHash, hash } from 'node:crypto';

/** SHA-256 of the bytes, 32 bytes. */
export const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer');

/** SHA-256 of the bytes or of the UTF-8 of a text, 64 lower case hex digits. */
export const sha256Hex = (data: Uint8Array | string): string => hash('sha256', data, 'hex');

/** SHA-256 of everything that a stream has, 64 lower case hex digits. */
export async function sha256OfStream(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const digest = createHash('sha256');
  for await (const chunk of chunks) digest.update(chunk);
  return digest.digest('hex');
}
