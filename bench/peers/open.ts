/** Starts all who are measured; what this machine lacks is told, not an error. */
import { spawnSync } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Checkpoint } from '../../src/checkpoint/checkpoint.js';
import { packageRoot } from '../../src/package.js';
import { type Contender, PRECISIONS, errataEngine, errataHttp, peerContender } from './contenders.js';
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

const THREADS = String(os.availableParallelism());
const script = (name: string): string => path.join(packageRoot, 'bench', 'peers', name);
const TORCH = ['torch', 'transformers', 'peft'];

export async function openField(checkpoint: Checkpoint, folder: string, python: string): Promise<Field> {
  const guests = new Guests();
  const onnx = await guests.onnxFiles(checkpoint, folder, python);
  const javascript = await guests.admit('transformers.js', () => {
    const installed = installTransformersJs();
    const program = fileURLToPath(new URL('./transformers-js.js', import.meta.url));
    return Peer.start(process.execPath, [program, installed, onnx.folder, THREADS]);
  });
  const torch = await guests.admit('PyTorch', () => {
    requirePython(python, TORCH);
    return Peer.start(python, [script('pytorch_peer.py'), folder, THREADS]);
  });
  const runtime = await guests.admit("Python's onnxruntime", () => {
    requirePython(python, ['numpy', 'onnxruntime']);
    return Peer.start(python, [script('onnxruntime_peer.py'), onnx.folder, THREADS]);
  });
  const peers = [
    ...(torch ? [peerContender('PyTorch fp32', torch, 'fp32', true)] : []),
    ...(['fp32', 'q8'] as const).flatMap((model) => [
      ...(javascript ? [peerContender(`transformers.js ${model}`, javascript, model, true)] : []),
      ...(runtime ? [peerContender(`Python's onnxruntime ${model}`, runtime, model, false)] : []),
    ]),
  ];
  const { versions, skipped } = guests;
  return { errata: await errata(checkpoint, folder), peers, trainer: torch, versions, skipped, onnx: onnx.kind };
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
      requirePython(python, [...TORCH, 'onnx', 'onnxruntime.quantization']);
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
  const { status, stderr } = spawnSync(python, [script('export_onnx.py'), checkpoint, into], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`export_onnx.py failed: ${stderr}`);
}
