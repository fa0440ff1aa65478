import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import t, { type Test } from 'tap';
import { COMMIT, type Fault, modelFiles, REPO, startHub, type TestHub } from '../models/hub-server.js';
import { errata, outcome, start } from './errata.js';

const WEIGHTS = 'model.safetensors';
const TOKEN = 'hf_donottell';

function pullWords(hub: TestHub): string[] {
  return ['models', 'pull', REPO, '--revision', 'main', '--hub-url', hub.url];
}

async function hubFor(t: Test): Promise<TestHub> {
  const hub = await startHub();
  t.teardown(() => hub.close());
  return hub;
}

/** Sends the first part of a file and then nothing, and says that it has come so far. */
function stall(file: string, bytes: number): { fault: Fault; reached: Promise<void> } {
  let reach = (): void => {};
  const reached = new Promise<void>((resolve) => (reach = resolve));
  const fault: Fault = (asked, from, response) => {
    if (asked !== file) return false;
    const content = modelFiles().get(file)!;
    response.writeHead(from > 0 ? 206 : 200, {
      'content-length': content.length - from,
      'content-range': `bytes ${from}-`,
    });
    response.write(content.subarray(from, bytes), () => reach());
    return true;
  };
  return { fault, reached };
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}

t.test('pull prints the line to use, says what it does, and never the token', async (t) => {
  const hub = await hubFor(t);
  const home = t.testdir();
  const { code, stdout, stderr } = await errata(pullWords(hub), home, { HF_TOKEN: TOKEN });
  const directory = path.join(home, 'data', 'models', `cross-encoder--nli-test@${COMMIT.slice(0, 8)}`);
  t.strictSame({ code, stdout }, { code: 0, stdout: `ERRATA_MODEL=${directory}\n` });
  t.match(stderr, `${REPO} at commit ${COMMIT} → ${directory}\n`);
  t.match(stderr, /^model\.safetensors: 3\.0 MB\nmodel\.safetensors: verified$/m);
  t.notMatch(stdout + stderr, TOKEN);
  t.ok(hub.seen.some(({ authorization }) => authorization === `Bearer ${TOKEN}`));
  t.match(await errata(pullWords(hub), home), { code: 0, stdout, stderr: /was there already, unchanged/ });
  t.match(await errata(['models', 'verify', directory], home), { code: 0, stdout: /  model\.safetensors\n/ });
  t.match(await errata(['models', 'verify'], home, { ERRATA_MODEL: directory }), { code: 0 });
});

t.test('--to chooses the folder; a damaged file is named by verify', async (t) => {
  const hub = await hubFor(t);
  const home = t.testdir();
  t.match(await errata([...pullWords(hub), '--to', 'mine'], home), {
    stdout: `ERRATA_MODEL=${path.join(home, 'mine')}\n`,
  });
  await writeFile(path.join(home, 'mine', 'tokenizer.json'), '{"model":[]}');
  t.match(await errata(['models', 'verify', 'mine'], home), {
    code: 1,
    stderr: /^errata: \S+tokenizer\.json differs from /,
  });
});

t.test('a download killed half-way leaves no model, and goes on where it stopped', async (t) => {
  const hub = await hubFor(t);
  const home = t.testdir();
  const words = [...pullWords(hub), '--to', 'model'];
  const part = path.join(home, `.model.${COMMIT}.partial`, `${WEIGHTS}.part`);
  const { fault, reached } = stall(WEIGHTS, 1_500_000);
  hub.fault = fault;
  const child = start(words, home);
  await reached;
  await until(async () => (await stat(part).catch(() => null))?.size === 1_500_000);
  child.kill('SIGKILL');
  await once(child, 'exit');
  t.notOk(existsSync(path.join(home, 'model')), 'no model');
  hub.fault = () => false;
  const before = hub.fetched().length;
  const { code, stderr } = await errata(words, home);
  t.equal(code, 0);
  t.match(stderr, 'model.safetensors: 3.0 MB, continued from 1.5 MB\n');
  t.strictSame(hub.fetched().slice(before), [
    `${WEIGHTS}@bytes=1500000-`,
    'tokenizer.json@all',
    'tokenizer_config.json@all',
  ]);
  t.match(await errata(['models', 'verify', 'model'], home), { code: 0 });
});

t.test('killed while any file comes: nothing or the complete model', async (t) => {
  const hub = await hubFor(t);
  const home = t.testdir();
  const words = [...pullWords(hub), '--to', 'model'];
  for (const file of [...modelFiles().keys()].filter((name) => name !== 'spm.model')) {
    const { fault, reached } = stall(file, 1);
    hub.fault = fault;
    const child = start(words, home);
    const ended = outcome(child);
    await reached;
    child.kill('SIGKILL');
    await ended;
    t.notOk(existsSync(path.join(home, 'model')), `no model after a kill during ${file}`);
  }
  hub.fault = () => false;
  t.match(await errata(words, home), { code: 0 });
  t.strictSame(await readdir(home), ['model']);
  t.match(await errata(['models', 'verify', 'model'], home), { code: 0 });
});
