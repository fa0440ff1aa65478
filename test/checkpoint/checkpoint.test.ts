import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, realpathSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { openCheckpoint, readUnchanged } from '../../src/checkpoint/checkpoint.js';
import { readHead } from '../../src/checkpoint/head.js';
import { difference } from '../support/array.js';
import { type CheckpointFiles, goldenFolder, logitsOf, readFiles, writeFiles } from '../support/checkpoints.js';
import { tensorBytes } from '../support/tensor-bytes.js';

const GOLDEN = goldenFolder('short-buckets', 'checkpoint');
const good = readFiles(GOLDEN);
const ROW = [Int32Array.of(1, 2, 3)];
const WEIGHTS = 'model.safetensors';

const without = (name: string): CheckpointFiles => ({
  ...good,
  tensors: new Map([...good.tensors].filter(([n]) => n !== name)),
});
const reshaped = (name: string, shape: readonly number[]): CheckpointFiles => ({
  ...good,
  tensors: new Map([...good.tensors, [name, { shape, data: good.tensors.get(name)!.data }]]),
});

const KEY_BIAS = 'deberta.encoder.layer.1.attention.self.key_proj.bias';
const EMBEDDINGS = 'deberta.embeddings.word_embeddings.weight';

const BROKEN: [string, (folder: string) => unknown, RegExp][] = [
  ['no config.json', (f) => unlinkSync(path.join(f, 'config.json')), /config\.json: ENOENT/],
  ['no weights', (f) => unlinkSync(path.join(f, WEIGHTS)), /model\.safetensors: ENOENT/],
  [
    'a link to nowhere',
    (f) => replace(f, WEIGHTS, (file) => symlinkSync('nowhere', file)),
    /model\.safetensors: ENOENT/,
  ],
  ['a folder as config.json', (f) => replace(f, 'config.json', mkdirSync), /config\.json: is not a file/],
  ['a folder as weights', (f) => replace(f, WEIGHTS, mkdirSync), /model\.safetensors: is not a file/],
  [
    'a pipe as weights',
    (f) => replace(f, WEIGHTS, (file) => execFileSync('mkfifo', [file])),
    /model\.safetensors: is not a file/,
  ],
  ['a folder as tokenizer', (f) => mkdirSync(path.join(f, 'tokenizer.json')), /tokenizer\.json: is not a file/],
  [
    'a pipe as tokenizer',
    (f) => execFileSync('mkfifo', [path.join(f, 'tokenizer.json')]),
    /tokenizer\.json: is not a file/,
  ],
  [
    'a list as config.json',
    (f) => writeFileSync(path.join(f, 'config.json'), '[]'),
    /config\.json: is not a JSON object/,
  ],
  ['empty weights', (f) => writeFileSync(path.join(f, WEIGHTS), ''), /model\.safetensors: the file is shorter/],
  [
    'weights of another format',
    (f) => writeFileSync(path.join(f, WEIGHTS), 'PK\x03\x04'.repeat(9)),
    /model\.safetensors: the header is said/,
  ],
  [
    'weights without tensors',
    (f) => writeFileSync(path.join(f, WEIGHTS), tensorBytes({}, new Uint8Array(0))),
    /tensor deberta\.embeddings\S+ is missing/,
  ],
  ['a missing tensor', (f) => writeFiles(f, without(KEY_BIAS)), /tensor \S+layer\.1\S+key_proj\.bias is missing/],
  ['a missing head', (f) => writeFiles(f, without('classifier.weight')), /tensor classifier\.weight is missing/],
  [
    'a transposed tensor',
    (f) => writeFiles(f, reshaped(EMBEDDINGS, [32, 120])),
    /word_embeddings\.weight has shape \[32, 120\], config\.json asks for \[120, 32\]/,
  ],
  [
    'a tensor of another rank',
    (f) => writeFiles(f, reshaped('classifier.bias', [1, 3])),
    /classifier\.bias has shape \[1, 3\]/,
  ],
  [
    'more labels than the head has',
    (f) => writeFiles(f, { ...good, config: { ...good.config, id2label: { 0: 'a', 1: 'b', 2: 'c', 3: 'd' } } }),
    /classifier\.weight has shape \[3, 32\], .* \[4, 32\]/,
  ],
  [
    'more layers than the weights have',
    (f) => writeFiles(f, { ...good, config: { ...good.config, num_hidden_layers: 2 ** 31 - 1 } }),
    /layer\.2\.\S+ is missing/,
  ],
];

function replace(folder: string, name: string, make: (file: string) => unknown): void {
  unlinkSync(path.join(folder, name));
  make(path.join(folder, name));
}

async function refuses(t: Test, name: string, spoil: (folder: string) => unknown, message: RegExp): Promise<void> {
  const folder = await writeFiles(t.testdir(), good);
  await spoil(folder);
  await t.rejects(openCheckpoint(folder), { name: 'CheckpointError', message }, name);
}

t.test('a folder that does not fit is refused, and what does not fit is named', async (t) => {
  for (const [name, spoil, message] of BROKEN) await t.test(name, (t) => refuses(t, name, spoil, message));
  await t.rejects(openCheckpoint(path.join(t.testdir(), 'none')), {
    name: 'CheckpointError',
    message: /config\.json: ENOENT/,
  });
  await t.rejects(openCheckpoint(path.join(GOLDEN, 'config.json')), { name: 'CheckpointError', message: /ENOTDIR/ });
});

t.test('a truncated file is refused wherever it ends', async (t) => {
  const folder = await writeFiles(t.testdir(), good);
  const { weights } = await openCheckpoint(folder);
  const whole = [...weights.values()].reduce((end, { offset, length }) => Math.max(end, offset + length), 0);
  for (const size of [7, 8, 100, whole - 1]) {
    execFileSync('truncate', ['-s', String(size), path.join(folder, WEIGHTS)]);
    await t.rejects(
      openCheckpoint(folder),
      { name: 'CheckpointError', message: /model\.safetensors: / },
      `${size} bytes`,
    );
    await writeFiles(folder, good);
  }
});

t.test('weights behind symbolic links are found and run where they are', async (t) => {
  const folder = await writeFiles(path.join(t.testdir({ snapshots: {}, blobs: {} }), 'snapshots'), good);
  const blob = path.join(folder, '..', 'blobs', '0123abc');
  renameSync(path.join(folder, WEIGHTS), blob);
  symlinkSync(path.join('..', 'blobs', '0123abc'), path.join(folder, WEIGHTS));
  const linked = await openCheckpoint(folder);
  t.equal(path.join(linked.directory, linked.weightsFile), realpathSync(blob));
  const direct = await openCheckpoint(GOLDEN);
  t.ok(difference((await logitsOf(linked, ROW))[0]!, (await logitsOf(direct, ROW))[0]!) === 0);
});

t.test('tensors that the graph does not read are let pass', async (t) => {
  const extra = new Map([...good.tensors, ['lm_head.bias', { shape: [2], data: Float32Array.of(1, 2) }]]);
  const folder = await writeFiles(t.testdir(), { ...good, tensors: extra });
  t.ok((await openCheckpoint(folder)).weights.has('lm_head.bias'));
});

t.test('the digest follows the weights, the configuration and the tokenizer, and not the folder', async (t) => {
  const digest = async (files: CheckpointFiles, name: string, tokenizer?: string): Promise<string> => {
    const folder = await writeFiles(path.join(t.testdirName, name), files);
    if (tokenizer !== undefined) writeFileSync(path.join(folder, 'tokenizer.json'), tokenizer);
    return (await openCheckpoint(folder)).digest;
  };
  t.testdir();
  const same = await digest(good, 'a');
  t.match(same, /^[0-9a-f]{64}$/);
  t.equal(await digest(good, 'b'), same);
  const others = [
    await digest({ ...good, config: { ...good.config, layer_norm_eps: 1e-6 } }, 'c'),
    await digest(without('none'), 'd', '{}'),
    await digest(without('none'), 'e', '[]'),
    await digest(
      {
        ...good,
        tensors: new Map([...good.tensors, ['classifier.bias', { shape: [3], data: Float32Array.of(0, 0, 1) }]]),
      },
      'f',
    ),
  ];
  t.equal(new Set([same, ...others]).size, 5);
});

t.test('weights that change after they were opened are not read under their old digest', async (t) => {
  const folder = await writeFiles(t.testdir(), good);
  const file = path.join(folder, WEIGHTS);
  const change = { name: 'CheckpointError', message: /model\.safetensors has changed since/ };
  const checkpoint = await openCheckpoint(folder);
  await t.resolves(readHead(checkpoint));
  await t.rejects(
    readUnchanged(checkpoint, async () => writeFileSync(file, readFileSync(file))),
    change,
    'while they are read',
  );
  await t.rejects(readHead(checkpoint), change, 'the head');
  t.equal((await openCheckpoint(folder)).digest, checkpoint.digest);
});
