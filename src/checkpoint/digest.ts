import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

const CHUNK_BYTES = 4 * 1024 * 1024;

/** SHA-256 in hex of a file's bytes followed by `rest`. */
export async function sha256File(file: string, ...rest: Uint8Array[]): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: CHUNK_BYTES })) hash.update(chunk as Buffer);
  for (const bytes of rest) hash.update(bytes);
  return hash.digest('hex');
}
