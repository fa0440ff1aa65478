import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { type AdapterFiles, parseAdapter } from '../../adapters/format.js';
import { addAdapter, getAdapter, loadAdapter, registerAdapter, type RegistryParts } from '../../adapters/registry.js';
import { directoryOf, FILE_NAMES, fileOf, openStored, sweepLeftOvers } from '../../adapters/store.js';
import { randomAdapter } from '../support/adapter-files.js';
import { bundled, openParts } from '../support/registry.js';

const files = randomAdapter(bundled.config, { seed: 1 });
const { digest } = parseAdapter(files.config, files.weights, bundled.config);
/** The same adapter: what differs decides no answer. */
const reworded = randomAdapter(bundled.config, { seed: 1, settings: { lora_dropout: 0 } });

const register = (parts: RegistryParts, { config, weights }: AdapterFiles) =>
  addAdapter(parts, { config, weights, origin: 'trained', run_id: 'run-1' });

t.test('an adapter is stored by its digest, with the next version of its base', async (t) => {
  const parts = await openParts(t);
  const { adapter, created } = await register(parts, files);
  t.equal(created, true);
  t.match(adapter, { version: 'v1', digest, origin: 'trained', run_id: 'run-1', r: 8, lora_alpha: 16 });
  t.strictSame(adapter.target_modules, ['query_proj', 'value_proj']);
  t.ok(readFileSync(fileOf(parts.dataDir, digest, 'adapter_config.json')).equals(files.config));
  t.ok(readFileSync(fileOf(parts.dataDir, digest, 'adapter_model.safetensors')).equals(files.weights));
  const read = await loadAdapter(parts, adapter);
  t.strictSame(read, parseAdapter(files.config, files.weights, bundled.config));
  for (const name of [adapter.id, 'v1', digest]) t.strictSame(await getAdapter(parts, name), adapter);
});

t.test('versions are of each base model', async (t) => {
  const parts = await openParts(t);
  const other = { ...parts, base: { ...parts.base, digest: 'other', name: 'another' } };
  const version = async (where: RegistryParts, seed: number): Promise<string> =>
    (await register(where, randomAdapter(bundled.config, { seed }))).adapter.version;
  t.equal(await version(parts, 1), 'v1');
  t.equal(await version(parts, 2), 'v2');
  t.equal(await version(other, 3), 'v1');
  t.equal(await version(other, 1), 'v2', 'the same adapter, of another base');
  t.equal(await version(parts, 4), 'v3');
  t.equal((await getAdapter(other, 'v2'))?.digest, digest);
});

t.test('the same adapter again is the one that is there', async (t) => {
  const parts = await openParts(t);
  const first = await register(parts, files);
  for (const again of [files, reworded]) {
    t.strictSame(await register(parts, again), { adapter: first.adapter, created: false });
    await t.resolves(loadAdapter(parts, first.adapter));
    t.strictSame(await registerAdapter(parts, { ...again, origin: 'trained', run_id: 'run-2' }), first.adapter);
  }
});

t.test('many who store the same adapter at once agree on one row and one pair of files', async (t) => {
  const parts = await openParts(t);
  const all = await Promise.all(Array.from({ length: 12 }, (_, i) => register(parts, i % 2 ? files : reworded)));
  t.equal(new Set(all.map(({ adapter }) => adapter.id)).size, 1);
  t.equal(all.filter(({ created }) => created).length, 1);
  await loadAdapter(parts, all[0]!.adapter);
  t.strictSame(readdirSync(path.join(parts.dataDir, 'adapters')), [digest], 'nothing is left over');
});

const DAMAGE: [string, (directory: string) => void, RegExp][] = [
  [
    'a byte of the weights',
    (d) => flip(path.join(d, FILE_NAMES[1]), 5000),
    /safetensors is not the file that was stored/,
  ],
  ['a byte of the configuration', (d) => flip(path.join(d, FILE_NAMES[0]), 40), /config.json is not the file/],
  [
    'weights cut short',
    (d) => writeFileSync(path.join(d, FILE_NAMES[1]), files.weights.slice(0, 999)),
    /safetensors is not/,
  ],
  ['no weights', (d) => rmSync(path.join(d, FILE_NAMES[1])), /safetensors cannot be read: ENOENT/],
  ['no directory', (d) => rmSync(d, { recursive: true }), /cannot be read: ENOENT/],
];

function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at] = bytes[at]! ^ 1;
  writeFileSync(file, bytes);
}

t.test('a file that differs is not loaded nor handed out, and mended by the same adapter again', async (t) => {
  const parts = await openParts(t);
  const { adapter } = await register(parts, files);
  for (const [name, damage, message] of DAMAGE) {
    damage(directoryOf(parts.dataDir, digest));
    await t.rejects(loadAdapter(parts, adapter), { code: 'conflict', message }, name);
    const reads = FILE_NAMES.map((file) =>
      openStored(parts.dataDir, adapter, file).then(({ content }) => buffer(content)),
    );
    t.ok(
      (await Promise.allSettled(reads)).some(({ status }) => status === 'rejected'),
      name,
    );
    t.strictSame(await register(parts, files), { adapter, created: false }, name);
    await t.resolves(loadAdapter(parts, adapter), name);
  }
});

const LEFT: ((whole: AdapterFiles, seed: number) => AdapterFiles)[] = [
  (whole) => whole,
  (_whole, seed) => randomAdapter(bundled.config, { seed, settings: { lora_dropout: 0 } }),
  (whole) => ({ ...whole, weights: whole.weights.slice(0, 500) }),
];

t.test('files that a crash left without a row are taken over or replaced', async (t) => {
  const parts = await openParts(t);
  for (const [seed, change] of LEFT.entries()) {
    const whole = randomAdapter(bundled.config, { seed: seed + 1 });
    const directory = directoryOf(parts.dataDir, parseAdapter(whole.config, whole.weights, bundled.config).digest);
    const left = change(whole, seed + 1);
    mkdirSync(directory, { recursive: true });
    writeFileSync(path.join(directory, FILE_NAMES[0]), left.config);
    writeFileSync(path.join(directory, FILE_NAMES[1]), left.weights);
    const { adapter } = await register(parts, whole);
    await t.resolves(loadAdapter(parts, adapter));
  }
});

t.test('unfinished writes of a crash are swept, young ones are not', async (t) => {
  const dataDir = t.testdir({ adapters: { '.incoming-old': { x: 'x' }, '.incoming-new': {}, [digest]: {} } });
  const old = path.join(dataDir, 'adapters', '.incoming-old');
  utimesSync(old, new Date(0), new Date(0));
  await sweepLeftOvers(dataDir, Date.now());
  t.strictSame(readdirSync(path.join(dataDir, 'adapters')).sort(), ['.incoming-new', digest].sort());
  await sweepLeftOvers(path.join(dataDir, 'nowhere'), Date.now());
});

const noLimit = process.platform === 'win32' && 'no ulimit';
t.test('a disk without room for the weights refuses, and leaves nothing behind', { skip: noLimit }, async (t) => {
  const dataDir = t.testdir();
  const child = fileURLToPath(new URL('fixtures/store-child.js', import.meta.url));
  // The runner's preloads would make the signal of a file too large deadly, which Node by itself ignores.
  const script = 'unset NODE_OPTIONS; ulimit -f 100; exec "$0" "$@"';
  const shell = spawn('sh', ['-c', script, process.execPath, child, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  shell.stdout.setEncoding('utf8');
  let told = '';
  shell.stdout.on('data', (chunk: string) => (told += chunk));
  await once(shell, 'close');
  t.equal(told, 'EFBIG\n');
  t.strictSame(readdirSync(path.join(dataDir, 'adapters')), []);
  t.notOk(existsSync(directoryOf(dataDir, digest)));
});
