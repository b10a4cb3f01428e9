// Lines of a byte stream, bounded.

export interface LineReader {
  readonly maxBytes: number;
  readonly onLine: (line: Buffer) => void;
  /** A line is longer than allowed; what was read of it is dropped. */
  readonly onTooLong: () => void;
}

/** Splits a stream at line feeds (without them); empty lines are left out. */
export function readLines(stream: NodeJS.ReadableStream, { maxBytes, onLine, onTooLong }: LineReader): void {
  let rest: Buffer[] = [];
  let size = 0;
  stream.on('data', (data: Buffer) => {
    let chunk = data;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10)) {
      const line = Buffer.concat([...rest, chunk.subarray(0, end)]);
      [rest, size] = [[], 0];
      chunk = chunk.subarray(end + 1);
      if (line.length > 0) onLine(line);
    }
    size += chunk.length;
    if (chunk.length > 0) rest.push(chunk);
    if (size <= maxBytes) return;
    [rest, size] = [[], 0];
    onTooLong();
  });
}
