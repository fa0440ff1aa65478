/** `errata import corrections|adapter` */
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { dataOf, type Schemas } from '../../../client/client.js';
import { ADAPTER_FILES } from '../adapter-files.js';
import { answer, askingCommand, connect, group, type ServiceOptions } from '../service.js';

export function register(program: Command): void {
  const imports = group(program, 'import', 'bring corrections or an adapter in from elsewhere');
  askingCommand(imports, 'corrections', 'store corrections from JSON Lines; the same file again stores nothing twice')
    .argument('[file]', 'default: standard input')
    .action(importCorrections);
  askingCommand(imports, 'adapter', 'take in a PEFT directory')
    .argument('<directory>', `holds ${ADAPTER_FILES.join(' and ')}`)
    .action(importAdapter);
}

/** Fails where a line failed, after all others are stored. */
async function importCorrections(file: string | undefined, options: ServiceOptions): Promise<void> {
  const input = file === undefined ? process.stdin : createReadStream(file);
  const report = await connect(options).importCorrections(createInterface({ input, crlfDelay: Infinity }));
  const { lines, stored, replaced, unchanged, failed, errors } = report;
  answer(options, report, [
    `${lines} lines: ${stored} stored, ${replaced} replaced, ${unchanged} there already, ${failed} failed`,
  ]);
  for (const { line, pointer, detail } of errors) console.error(`line ${line}: ${pointer} ${detail}`);
  if (failed > 0) throw new Error(`${failed} of ${lines} lines were not stored`);
}

async function importAdapter(directory: string, options: ServiceOptions): Promise<void> {
  const form = new FormData();
  for (const name of ADAPTER_FILES) form.append(name, new Blob([await readFile(path.join(directory, name))]), name);
  const call = connect(options).api.POST('/adapters', {
    body: form as unknown as Schemas['AdapterImport'],
    bodySerializer: (body: unknown) => body,
  });
  const adapter = await dataOf(call);
  answer(options, adapter, [`${adapter.version} (digest ${adapter.digest})`]);
}
