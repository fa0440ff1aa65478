/** `errata export corrections|adapter` */
import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { ADAPTER_FILES } from '../adapter-files.js';
import { answer, askingCommand, connect, group, type ServiceOptions } from '../service.js';

export function register(program: Command): void {
  const exports = group(program, 'export', 'take corrections or an adapter out of the service');
  askingCommand(exports, 'corrections', 'every current correction and confirmation as JSON Lines')
    .argument('[file]', 'default: standard output')
    .action(exportCorrections);
  askingCommand(exports, 'adapter', 'the two files of a PEFT directory')
    .argument('<adapter>', 'version or id')
    .argument('<directory>', 'made when missing')
    .action(exportAdapter);
}

async function exportCorrections(file: string | undefined, options: ServiceOptions): Promise<void> {
  let count = 0;
  const lines = connect(options).exportCorrections();
  // Asked for before a file is opened: what is in it stays when nobody answers.
  const first = await lines.next();
  const counted = async function* (): AsyncGenerator<string> {
    try {
      for (let line = first; line.done !== true; line = await lines.next()) {
        count += 1;
        yield `${line.value}\n`;
      }
    } finally {
      await lines.return();
    }
  };
  if (file === undefined) return pipeline(counted, process.stdout, { end: false }).catch(passClosed);
  await pipeline(counted, createWriteStream(file));
  answer(options, { corrections: count, file }, [`${count} corrections in ${file}`]);
}

/** Whoever reads may stop reading, as `head` does. */
function passClosed(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

async function exportAdapter(id: string, directory: string, options: ServiceOptions): Promise<void> {
  const { api } = connect(options);
  const files = new Map<string, Uint8Array>();
  for (const name of ADAPTER_FILES) {
    const { data } = await api.GET('/adapters/{id}/files/{name}', {
      params: { path: { id, name } },
      parseAs: 'arrayBuffer',
    });
    files.set(name, new Uint8Array(data as ArrayBuffer));
  }
  await mkdir(directory, { recursive: true });
  for (const [name, bytes] of files) await writeFile(path.join(directory, name), bytes);
  answer(options, { adapter: id, directory, files: ADAPTER_FILES }, [`${id} in ${directory}`]);
}
