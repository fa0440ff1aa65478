/** Starts all who are measured; what this machine lacks is told, not an error. */
import { spawnSync } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Checkpoint } from '../../src/checkpoint/checkpoint.js';
import { packageRoot } from '../../src/package.js';
import { type Contender, PRECISIONS, errataEngine, errataHttp, peerContender, sharedContender } from './contenders.js';
import { onnxFolder, writeStandIn } from './hf-folder.js';
import { Missing, installTransformersJs, requirePython } from './install.js';
import { Peer } from './peer.js';

export interface Field {
  readonly errata: readonly Contender[];
  readonly peers: readonly Contender[];
  /** Who trains beside Errata: one of the peers' processes. */
  readonly trainer: Peer | undefined;
  readonly versions: Readonly<Record<string, string>>;
  /** Who is not measured, and why. */
  readonly skipped: Readonly<Record<string, string>>;
  /** Where the ONNX files of the peers are from. */
  readonly onnx: 'exported by PyTorch' | 'stand-in';
}

const CORES = os.availableParallelism();
const MODELS = ['fp32', 'q8'] as const;
const script = (name: string): string => path.join(packageRoot, 'bench', 'peers', name);
const TORCH = ['torch', 'transformers'];

export async function openField(checkpoint: Checkpoint, folder: string, python: string): Promise<Field> {
  const guests = new Guests();
  const { kind: onnx, folder: files } = await guests.onnxFiles(checkpoint, folder, python);
  const torch = await guests.admit('PyTorch', () => {
    requirePython(python, TORCH);
    return Peer.start(python, [script('pytorch_peer.py'), folder, String(CORES)]);
  });
  const runtime = await guests.admit("Python's onnxruntime", () => {
    requirePython(python, ['numpy', 'onnxruntime']);
    return Peer.start(python, [script('onnxruntime_peer.py'), files, String(CORES)]);
  });
  const peers = [
    ...(torch ? [peerContender('PyTorch fp32', torch, 'fp32', true)] : []),
    ...(await transformersJs(guests, files)),
    ...(runtime ? MODELS.map((m) => peerContender(`Python's onnxruntime ${m}`, runtime, m, false)) : []),
  ];
  const { versions, skipped } = guests;
  return { errata: await errata(checkpoint, folder), peers, trainer: torch, versions, skipped, onnx };
}

/** One process with all cores, as it is usually run, and for throughput one for each core. */
async function transformersJs(guests: Guests, files: string): Promise<Contender[]> {
  const program = fileURLToPath(new URL('./transformers-js.js', import.meta.url));
  const start = (threads: number) =>
    guests.admit('transformers.js', async () =>
      Peer.start(process.execPath, [program, installTransformersJs(), files, String(threads)]),
    );
  const wide = await start(CORES);
  if (!wide) return [];
  const narrow: Peer[] = [];
  while (CORES > 1 && narrow.length < CORES) narrow.push((await start(1))!);
  return MODELS.flatMap((model) => [
    peerContender(`transformers.js ${model}`, wide, model, true),
    ...(narrow.length > 0 ? [sharedContender(`transformers.js ${model}, a process a core`, narrow, model)] : []),
  ]);
}

async function errata(checkpoint: Checkpoint, folder: string): Promise<Contender[]> {
  const contenders: Contender[] = [];
  for (const precision of PRECISIONS)
    contenders.push(await errataEngine(checkpoint, precision), await errataHttp(folder, precision));
  return contenders;
}

/** Peers as they come in; who cannot is noted. */
class Guests {
  readonly skipped: Record<string, string> = {};
  readonly versions: Record<string, string> = {};

  async admit(name: string, start: () => ReturnType<typeof Peer.start>): Promise<Peer | undefined> {
    try {
      const { peer, hello } = await start();
      Object.assign(this.versions, hello.versions);
      return peer;
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      this.skipped[name] = error.message;
      return undefined;
    }
  }

  /** As PyTorch exports them where it can, else our stand-in. */
  async onnxFiles(checkpoint: Checkpoint, folder: string, python: string) {
    try {
      requirePython(python, TORCH);
      requirePython(python, ['onnx', 'onnxruntime.quantization']);
    } catch (error) {
      this.skipped['export by PyTorch'] = (error as Error).message;
      const write = (into: string): Promise<void> => writeStandIn(checkpoint, into);
      return { kind: 'stand-in', folder: await onnxFolder(folder, 'stand-in', write) } as const;
    }
    const write = async (into: string): Promise<void> => exportOnnx(python, folder, into);
    return { kind: 'exported by PyTorch', folder: await onnxFolder(folder, 'exported', write) } as const;
  }
}

function exportOnnx(python: string, checkpoint: string, into: string): void {
  runPython(python, 'export_onnx.py', checkpoint, into);
  runPython(python, 'quantize_onnx.py', into);
}

function runPython(python: string, name: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync(python, [script(name), ...args], { encoding: 'utf8', maxBuffer: 1e9 });
  if (status !== 0) throw new Error(`${name} failed: ${stderr.slice(-2000)}`);
}
