/**
 * A run's state after an epoch, on disk: a line of JSON, then parameters and the optimizer's two averages as float32.
 * A file counts only when its checksum is right and it belongs to the same job.
 */
import { createHash } from 'node:crypto';
import { readFile, readdir, rm } from 'node:fs/promises';
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
export const KEPT_STATES = 2;
const NAME = /^epoch-(\d+)\.state$/;
const BYTES = Float32Array.BYTES_PER_ELEMENT;

/** The file of the state after that epoch. */
export const stateName = (epoch: number): string => `epoch-${epoch}.state`;

/** A state by what tells it from any other. */
export interface SavedState {
  readonly epoch: number;
  /** Of its vectors, hex. */
  readonly sha256: string;
}

/** Keeps the state in a directory that is there; when this resolves it is on the disk. */
export async function saveState(directory: string, job: string, position: Position): Promise<SavedState> {
  const { header, file } = encodeState(job, position);
  await writeDurably(path.join(directory, stateName(position.epoch)), file);
  return { epoch: position.epoch, sha256: header.sha256 };
}

/** The first of these states that is whole and the job's; null: it begins anew. */
export async function loadState(
  directory: string,
  job: string,
  length: number,
  states: readonly SavedState[],
): Promise<Position | null> {
  for (const { epoch, sha256: expected } of states) {
    const file = await readFile(path.join(directory, stateName(epoch))).catch(absent);
    const position = file && decodeState(file, job, length, expected);
    if (position) return position;
  }
  return null;
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

/** Removes all but the newest states up to that epoch. */
export async function pruneStates(directory: string, newest: number): Promise<void> {
  for (const name of await readdir(directory)) {
    const epoch = Number(NAME.exec(name)?.[1] ?? Number.NaN);
    if (!(epoch <= newest - KEPT_STATES)) continue;
    await rm(path.join(directory, name), { force: true });
    failpoint('run.state.removed');
  }
}

export function encodeState(
  job: string,
  { epoch, parameters, optimizer }: Position,
): { readonly header: Header; readonly file: Uint8Array } {
  const body = Buffer.concat([parameters, optimizer.first, optimizer.second].map(bytesOf));
  const header: Header = {
    format: 1,
    job,
    epoch,
    step: optimizer.step,
    length: parameters.length,
    sha256: sha256(body),
  };
  return { header, file: Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), body]) };
}

/** Null for a damaged file, for another job's, and for another state than the one of that digest. */
export function decodeState(file: Buffer, job: string, length: number, expected?: string): Position | null {
  const end = file.indexOf('\n');
  const header = parseHeader(file.subarray(0, Math.max(0, end)));
  const body = file.subarray(end + 1);
  if (header?.format !== 1 || header.job !== job || header.length !== length) return null;
  if (expected !== undefined && header.sha256 !== expected) return null;
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
