/**
 * A run's state after an epoch, on disk: a line of JSON, then parameters and the optimizer's two averages as float32.
 * A file counts only when its checksum is right and it belongs to the same job.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { failpoint } from '../failpoints.js';
import { writeDurably } from '../files.js';
import type { Position } from './loop.js';

interface Header {
  readonly format: 1;
  /** What the state belongs to: base, code, parameters and rows. */
  readonly job: string;
  readonly epoch: number;
  readonly step: number;
  /** Values of each of the three vectors. */
  readonly length: number;
  /** SHA-256 of all that follows the header. */
  readonly sha256: string;
}

/** Also an earlier state is kept, should the newest be damaged. */
const KEPT = 2;
const NAME = /^epoch-(\d+)\.state$/;
const BYTES = Float32Array.BYTES_PER_ELEMENT;

/** Keeps the state; when this resolves it is on the disk. */
export async function saveState(directory: string, job: string, position: Position): Promise<void> {
  await mkdir(directory, { recursive: true });
  await writeDurably(path.join(directory, `epoch-${position.epoch}.state`), encodeState(job, position));
  const states = await listStates(directory);
  for (const { file } of states.slice(KEPT)) {
    await rm(file, { force: true });
    failpoint('child.state.removed');
  }
}

/** The newest whole state of the job; null: it begins anew. */
export async function loadState(directory: string, job: string, length: number): Promise<Position | null> {
  for (const { file } of await listStates(directory)) {
    const position = decodeState(await readFile(file), job, length);
    if (position) return position;
  }
  return null;
}

async function listStates(directory: string): Promise<{ file: string; epoch: number }[]> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const states = names.flatMap((name) => {
    const epoch = NAME.exec(name)?.[1];
    return epoch === undefined ? [] : [{ file: path.join(directory, name), epoch: Number(epoch) }];
  });
  return states.sort((a, b) => b.epoch - a.epoch);
}

export function encodeState(job: string, { epoch, parameters, optimizer }: Position): Uint8Array {
  const body = Buffer.concat([parameters, optimizer.first, optimizer.second].map(bytesOf));
  const header: Header = {
    format: 1,
    job,
    epoch,
    step: optimizer.step,
    length: parameters.length,
    sha256: sha256(body),
  };
  return Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), body]);
}

/** Null for a damaged file and for another job's. */
export function decodeState(file: Buffer, job: string, length: number): Position | null {
  const end = file.indexOf('\n');
  const header = parseHeader(file.subarray(0, Math.max(0, end)));
  const body = file.subarray(end + 1);
  if (header?.format !== 1 || header.job !== job || header.length !== length) return null;
  if (body.length !== 3 * length * BYTES || sha256(body) !== header.sha256) return null;
  const [parameters, first, second] = [0, 1, 2].map((i) => floats(body, i * length, length));
  return {
    epoch: header.epoch,
    parameters: parameters!,
    optimizer: { step: header.step, first: first!, second: second! },
  };
}

function parseHeader(line: Buffer): Header | null {
  try {
    return JSON.parse(line.toString('utf8')) as Header | null;
  } catch {
    return null;
  }
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** A copy, for a file's bytes need not lie where floats may. */
function floats(bytes: Buffer, offset: number, length: number): Float32Array {
  const copy = new Float32Array(length);
  bytesOf(copy).set(bytes.subarray(offset * BYTES, (offset + length) * BYTES));
  return copy;
}
