/** `errata serve` as a process: how it starts, what it refuses, how it ends. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { cpSync, existsSync, readFileSync, symlinkSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { packageRoot } from '../../src/package.js';
import { eventually, isAlive } from '../support/processes.js';
import { processChildren } from './processes.js';

const PROGRAM = path.join(packageRoot, 'dist', 'src', 'main.js');
const MODEL = path.join(packageRoot, 'models', 'nli-deberta-v3-tiny');

interface Run {
  readonly child: ChildProcess;
  readonly said: () => string;
  /** Exit status. */
  readonly ended: Promise<number | null>;
}

function run(dataDir: string, env: Readonly<Record<string, string>> = {}): Run {
  const child = spawn(process.execPath, [PROGRAM, 'serve'], {
    env: { PATH: process.env['PATH'], ERRATA_PORT: '0', ERRATA_LOG_LEVEL: 'silent', ERRATA_DATA_DIR: dataDir, ...env },
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return { child, said: () => text, ended };
}

async function listening({ child, said }: Run): Promise<string> {
  while (child.exitCode === null) {
    const url = /on (http:\/\/[\d.:]+)/.exec(said())?.[1];
    if (url) return url;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(said());
}

t.test('it serves, says that it is open, and ends at SIGTERM without leaving a child', async (t) => {
  const service = run(t.testdir());
  const url = await listening(service);
  t.match(service.said(), /no API keys/);
  t.equal((await fetch(`${url}/health/ready`)).status, 200);
  const children = processChildren(service.child.pid!, 'engine/child.js');
  t.ok(children.length > 0);
  service.child.kill('SIGTERM');
  t.equal(await service.ended, 0);
  t.strictSame(
    children.filter((pid) => isAlive(pid)),
    [],
  );
});

t.test('killed outright, its children end too', async (t) => {
  const service = run(t.testdir());
  await listening(service);
  const children = processChildren(service.child.pid!, 'engine/child.js');
  service.child.kill('SIGKILL');
  await service.ended;
  await eventually(() => !children.some(isAlive));
});

/** Each: what is done to a copy of the bundled model, and what the error must say. */
const BROKEN: readonly [name: string, spoil: (folder: string) => void, says: RegExp][] = [
  ['no config.json', (f) => unlinkSync(path.join(f, 'config.json')), /config\.json/],
  ['no weights', (f) => unlinkSync(path.join(f, 'model.safetensors')), /model\.safetensors/],
  ['no tokenizer', (f) => unlinkSync(path.join(f, 'tokenizer.json')), /tokenizer\.json/],
  ['weights cut short', (f) => truncateSync(path.join(f, 'model.safetensors'), 5_000_000), /model\.safetensors/],
  [
    'weights of another size',
    (f) => edit(f, 'config.json', /"intermediate_size": 768/, '"intermediate_size": 770'),
    /shape/,
  ],
  ['header length beyond the file', (f) => patch(f, Buffer.from('ffffffffffffff7f', 'hex')), /header/],
  ['an unsupported key', (f) => edit(f, 'config.json', /"gelu"/, '"relu"'), /hidden_act/],
  [
    'labels that mean nothing',
    (f) => edit(f, 'config.json', /"contradiction"/g, '"LABEL_7"'),
    /LABEL_7.*ERRATA_LABELS/s,
  ],
  ['a tokenizer that is no JSON', (f) => writeFileSync(path.join(f, 'tokenizer.json'), '{'), /tokenizer\.json/],
];

function edit(folder: string, name: string, from: RegExp, to: string): void {
  const file = path.join(folder, name);
  writeFileSync(file, readFileSync(file, 'utf8').replace(from, to));
}

function patch(folder: string, bytes: Buffer): void {
  const file = path.join(folder, 'model.safetensors');
  const content = readFileSync(file);
  bytes.copy(content);
  writeFileSync(file, content);
}

t.test('a model folder that cannot be served is refused with its fault, and nothing is left running', async (t) => {
  for (const [name, spoil, says] of BROKEN) {
    const folder = t.testdir();
    cpSync(MODEL, folder, { recursive: true });
    spoil(folder);
    const service = run(path.join(folder, 'data'), { ERRATA_MODEL: folder });
    t.equal(await service.ended, 1, name);
    t.match(service.said(), says, name);
    t.notMatch(service.said(), /\n\s+at /, `${name}: no stack`);
  }
});

t.test('weights behind a symbolic link, as in the hub cache, are served', async (t) => {
  const folder = t.testdir();
  cpSync(MODEL, folder, { recursive: true });
  unlinkSync(path.join(folder, 'model.safetensors'));
  symlinkSync(path.join(MODEL, 'model.safetensors'), path.join(folder, 'model.safetensors'));
  const service = run(path.join(folder, 'data'), { ERRATA_MODEL: folder });
  const url = await listening(service);
  t.equal((await fetch(`${url}/health/ready`)).status, 200);
  service.child.kill('SIGTERM');
  await service.ended;
});

t.test('a setting that is wrong, or an address that others reach, is refused by name', async (t) => {
  for (const [env, says] of [
    [{ ERRATA_PORT: 'http' }, /ERRATA_PORT/],
    [{ ERRATA_HOST: '0.0.0.0' }, /ERRATA_HOST.*key/s],
    [{ ERRATA_MODEL: '/nowhere' }, /ERRATA_MODEL: \/nowhere does not exist/],
    [{ ERRATA_MODEL: PROGRAM }, /ERRATA_MODEL: .+main\.js is not a directory/],
    [{ ERRATA_DATABASE_URL: 'sqlite:/proc/errata.db' }, /ERRATA_DATA_DIR or ERRATA_DATABASE_URL: .*errata\.db/],
    [{ ERRATA_DATA_DIR: '/proc/errata' }, /ERRATA_DATA_DIR or ERRATA_DATABASE_URL: \/proc\/errata/],
    [{ ERRATA_PORT: await takenPort(t) }, /ERRATA_PORT: \d+ of 127\.0\.0\.1 is taken/],
  ] as const) {
    const service = run(t.testdir(), env);
    t.equal(await service.ended, 1);
    t.match(service.said(), says);
  }
});

t.test('every character of the data directory is part of its name', async (t) => {
  const directory = path.join(t.testdir(), 'a#b?c %20');
  const service = run(directory);
  await listening(service);
  t.ok(existsSync(path.join(directory, 'errata.db')));
  service.child.kill('SIGTERM');
  t.equal(await service.ended, 0);
});

/** A port that is listened on until the test ends. */
async function takenPort(t: Test): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return String((server.address() as AddressInfo).port);
}
