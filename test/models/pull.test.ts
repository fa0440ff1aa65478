import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import t, { type Test } from 'tap';
import { LOCK_FILE, verifyLock } from '../../src/checkpoint/lock.js';
import { pull, type PulledModel, type PullRequest } from '../../src/models/pull.js';
import { COMMIT, type Fault, modelFiles, REPO, startHub, type TestHub } from './hub-server.js';

const WEIGHTS = 'model.safetensors';
const HALF = 1_500_000;
const NEEDED = ['config.json', WEIGHTS, 'tokenizer.json', 'tokenizer_config.json'];
const silent = { found: () => {}, begin: () => {}, advance: () => {}, verified: () => {} };

interface Scene {
  readonly hub: TestHub;
  readonly home: string;
  readonly target: string;
  pull(changes?: Partial<PullRequest>): Promise<PulledModel>;
}

async function scene(t: Test, files?: Map<string, Buffer>): Promise<Scene> {
  const hub = await startHub(files);
  t.teardown(() => hub.close());
  const home = t.testdir();
  const target = path.join(home, 'model');
  const request = { hub: { url: hub.url, token: null }, repo: REPO, revision: 'main', directory: () => target };
  return { hub, home, target, pull: (changes) => pull({ ...request, progress: silent, pauses: [1], ...changes }) };
}

async function isWhole(t: Test, { hub, home, target }: Scene): Promise<void> {
  t.strictSame(await readdir(home), ['model'], 'nothing is left beside the model');
  t.strictSame((await readdir(target)).sort(), [...NEEDED, LOCK_FILE].sort());
  for (const name of NEEDED) t.ok((await readFile(path.join(target, name))).equals(hub.files.get(name)!), name);
  t.ok(await verifyLock(target));
}

/** A fault of the weights' first transfers only. */
function times(count: number, fault: Fault): Fault {
  let left = count;
  return (file, from, response) => file === WEIGHTS && left-- > 0 && fault(file, from, response);
}

/** Promises the whole file and hangs up half-way. */
const hangUp: Fault = (_, __, response) => {
  response.writeHead(200, { 'content-length': 2 * HALF });
  response.write(modelFiles().get(WEIGHTS)!.subarray(0, HALF), () => setTimeout(() => response.destroy(), 20));
  return true;
};

const answer =
  (status: number, body: Buffer | string = ''): Fault =>
  (_, __, response) => {
    response.writeHead(status).end(body);
    return true;
  };

t.test('a branch becomes its commit; every file, its size and its SHA-256 are in the lock', async (t) => {
  const a = await scene(t);
  const { directory, lock, present } = await a.pull();
  t.match({ directory, present }, { directory: a.target, present: false });
  t.match(lock, { lock_version: 1, repo: REPO, revision: COMMIT });
  const expected = NEEDED.map((name) => {
    const content = a.hub.files.get(name)!;
    return { name, size: content.length, sha256: createHash('sha256').update(content).digest('hex') };
  });
  t.strictSame(lock.files, expected);
  t.strictSame(
    a.hub.fetched(),
    NEEDED.map((name) => `${name}@all`),
    'and nothing else is downloaded',
  );
  await isWhole(t, a);
});

t.test('optional files that are not there are not missed; the commit itself is a revision', async (t) => {
  const files = modelFiles();
  files.delete('tokenizer_config.json');
  const a = await scene(t, files);
  const { lock } = await a.pull({ revision: COMMIT });
  t.strictSame(
    lock.files.map(({ name }) => name),
    ['config.json', WEIGHTS, 'tokenizer.json'],
  );
});

t.test('a model that is there already is verified, not downloaded', async (t) => {
  const a = await scene(t);
  await a.pull();
  const before = a.hub.fetched().length;
  t.equal((await a.pull()).present, true);
  t.equal(a.hub.fetched().length, before);
  await writeFile(path.join(a.target, 'config.json'), '{"model_type":"deberta-v3"}');
  await t.rejects(a.pull(), { message: /config\.json differs/ });
});

t.test('an empty folder is taken, one that holds something else is not', async (t) => {
  const a = await scene(t);
  await mkdir(a.target);
  await a.pull();
  await isWhole(t, a);
  const other = path.join(a.home, 'other');
  await mkdir(other);
  await writeFile(path.join(other, 'thesis.txt'), 'mine');
  await t.rejects(a.pull({ directory: () => other }), {
    message: /other holds something else than .*; give another folder/,
  });
  t.strictSame(await readdir(other), ['thesis.txt']);
  const lock = path.join(a.target, LOCK_FILE);
  await writeFile(lock, (await readFile(lock, 'utf8')).replace(COMMIT, '9'.repeat(40)));
  await t.rejects(a.pull(), { message: /model holds something else than .*; give another folder/ });
});

t.test('a connection that breaks goes on where it stopped', async (t) => {
  const a = await scene(t);
  a.hub.fault = times(1, hangUp);
  await a.pull();
  t.match(a.hub.fetched(), ['config.json@all', `${WEIGHTS}@all`, /^model\.safetensors@bytes=[1-9]\d*-$/]);
  await isWhole(t, a);
});

t.test('a body that ends early goes on where it stopped', async (t) => {
  const a = await scene(t);
  a.hub.fault = times(1, answer(200, modelFiles().get(WEIGHTS)!.subarray(0, HALF)));
  await a.pull();
  t.match(a.hub.fetched(), ['config.json@all', `${WEIGHTS}@all`, `${WEIGHTS}@bytes=${HALF}-`]);
  await isWhole(t, a);
});

t.test('a server that is busy is asked again', async (t) => {
  for (const status of [429, 500, 503]) {
    const a = await scene(t);
    a.hub.fault = times(1, answer(status));
    await a.pull();
    await isWhole(t, a);
  }
});

t.test('a server that stays broken is an error that keeps what was received, for the next call', async (t) => {
  const a = await scene(t);
  a.hub.fault = (file, from, response) => file === WEIGHTS && (from === 0 ? hangUp : answer(503))(file, from, response);
  await t.rejects(a.pull(), {
    message: /^model\.safetensors: the server answered 503; [1-9]\d* of 3000000 bytes are kept$/,
  });
  t.notOk(existsSync(a.target), 'no model');
  const before = a.hub.fetched().length;
  a.hub.fault = () => false;
  await a.pull();
  t.match(
    a.hub.fetched().slice(before),
    [/^model\.safetensors@bytes=[1-9]\d*-$/, 'tokenizer.json@all'],
    'the config is not fetched twice',
  );
  await isWhole(t, a);
});

t.test('a server that ignores Range starts the file over', async (t) => {
  const a = await scene(t);
  const whole = answer(200, modelFiles().get(WEIGHTS));
  a.hub.fault = (file, from, response) => file === WEIGHTS && (from === 0 ? hangUp : whole)(file, from, response);
  await a.pull();
  await isWhole(t, a);
});

t.test('a range that begins elsewhere is not written', async (t) => {
  const a = await scene(t);
  const elsewhere: Fault = (_, from, response) => {
    response.writeHead(206, { 'content-range': `bytes ${from + 1}-${2 * HALF - 1}/${2 * HALF}` });
    response.end(
      modelFiles()
        .get(WEIGHTS)!
        .subarray(from + 1),
    );
    return true;
  };
  a.hub.fault = (file, from, response) => file === WEIGHTS && (from === 0 ? hangUp : elsewhere)(file, from, response);
  await t.rejects(a.pull(), { message: /^model\.safetensors: the server answered 206; / });
  a.hub.fault = () => false;
  await a.pull();
  await isWhole(t, a);
});

t.test('content that is not what the hub promised is refused and removed', async (t) => {
  const wrong = Buffer.alloc(2 * HALF, 'x');
  const cases: { file: string; fault: Fault }[] = [
    { file: WEIGHTS, fault: (file, from, response) => file === WEIGHTS && answer(200, wrong)(file, from, response) },
    {
      file: 'config.json',
      fault: (file, ...rest) => file === 'config.json' && answer(200, '{"model_type":"deberta-v9"}')(file, ...rest),
    },
  ];
  for (const { file, fault } of cases) {
    const a = await scene(t);
    a.hub.fault = fault;
    await t.rejects(a.pull(), { message: new RegExp(`^${file}: what was received is not what the hub promised`) });
    t.notOk(existsSync(a.target), 'no model');
    a.hub.fault = () => false;
    await a.pull();
    await isWhole(t, a);
  }
});

t.test('more bytes than promised are refused before they fill the disk', async (t) => {
  const a = await scene(t);
  a.hub.fault = (file, ...rest) => file === WEIGHTS && answer(200, Buffer.alloc(20 * HALF))(file, ...rest);
  await t.rejects(a.pull(), {
    message: /^model\.safetensors: the server sends more than the 3000000 bytes it promised$/,
  });
  t.notOk(existsSync(a.target));
});

t.test('a part that is longer than the file, or holds something else, does not stay for ever', async (t) => {
  const cases = [
    { name: `${WEIGHTS}.part`, content: Buffer.alloc(4 * HALF), refused: false },
    { name: `${WEIGHTS}.part`, content: Buffer.alloc(2 * HALF, 'x'), refused: true },
    { name: WEIGHTS, content: Buffer.alloc(2 * HALF, 'x'), refused: true },
  ];
  for (const { name, content, refused } of cases) {
    const a = await scene(t);
    const staging = path.join(a.home, `.model.${COMMIT}.partial`);
    await mkdir(staging);
    await writeFile(path.join(staging, name), content);
    if (refused) await t.rejects(a.pull(), { message: /not what the hub promised .*it was removed, try again$/ });
    await a.pull();
    await isWhole(t, a);
  }
});

t.test('a revision without a file Errata needs is refused by name, before any download', async (t) => {
  for (const name of ['config.json', WEIGHTS, 'tokenizer.json']) {
    const files = modelFiles();
    files.delete(name);
    const a = await scene(t, files);
    await t.rejects(a.pull(), { message: `${REPO} at ${COMMIT} has no ${name}; Errata needs it` });
    t.strictSame(a.hub.fetched(), []);
    t.strictSame(await readdir(a.home), []);
  }
});

t.test('a refusal of the hub says what to do, and not what the server said', async (t) => {
  const a = await scene(t);
  const hub = { url: a.hub.url, token: 'hf_testtoken' };
  const cases = [
    {
      status: 401,
      changes: {},
      message: /is gated, private or not there: .* set HF_TOKEN to a token that may read it$/,
    },
    { status: 403, changes: { hub }, message: /the token in HF_TOKEN may not read it$/ },
    { status: 404, changes: { revision: 'v9' }, message: /^http:\S+ has no cross-encoder\/nli-test at revision v9$/ },
    { status: 500, changes: {}, message: /answered 500 when asked for/ },
  ];
  for (const { status, changes, message } of cases) {
    a.hub.status = status;
    const error = await a.pull(changes).then(
      () => t.fail('no error'),
      (reason: Error) => reason,
    );
    t.match(error, { message });
    t.notMatch(error, { message: /words of the server|hf_testtoken/ });
  }
  a.hub.status = 200;
  await t.rejects(a.pull({ revision: 'v9' }), { message: /has no cross-encoder\/nli-test at revision v9$/ });
  await t.rejects(a.pull({ revision: COMMIT.replace('0', '9') }), { message: /has no cross-encoder/ });
});

t.test('a file that is refused after all is an error at once', async (t) => {
  const a = await scene(t);
  a.hub.fault = (file, ...rest) => file === WEIGHTS && answer(403)(file, ...rest);
  await t.rejects(a.pull(), { message: /is gated, private or not there/ });
  t.equal(a.hub.fetched().filter((one) => one.startsWith(WEIGHTS)).length, 1);
});

t.test('a hub that cannot be reached is named', async (t) => {
  const a = await scene(t);
  a.hub.close();
  await t.rejects(a.pull(), { message: `cannot reach ${a.hub.url}: ECONNREFUSED` });
});

t.test('the token goes to the hub, never to the server it redirects to', async (t) => {
  const a = await scene(t);
  await a.pull({ hub: { url: a.hub.url, token: 'hf_testtoken' } });
  t.ok(
    a.hub.seen.every(
      ({ server, authorization }) => authorization === (server === 'hub' ? 'Bearer hf_testtoken' : undefined),
    ),
  );
});

t.test('names, sizes and digests that a hostile hub invents are refused', async (t) => {
  const lies: { lie: TestHub['lie']; message: RegExp }[] = [
    ...['../evil.sh', '/etc/passwd', 'sub/../../x', 'errata.lock.json', ''].map((name) => ({
      lie: (infos: object[]) => [...infos, { ...infos[0], path: name }],
      message: /which was not asked for$/,
    })),
    { lie: (infos) => infos.map((info) => ({ ...info, type: 'directory' })), message: /not asked for$/ },
    { lie: (infos) => infos.map((info) => ({ ...info, size: -1 })), message: /no size and digest for config\.json$/ },
    {
      lie: (infos) => infos.map((info) => ({ ...info, oid: '../../x' })),
      message: /no size and digest for config\.json$/,
    },
    { lie: (infos) => infos.map((info) => ({ ...info, lfs: { oid: 'no', size: 1 } })), message: /no size and digest/ },
    { lie: (infos) => [...infos, ...infos], message: /names config\.json twice$/ },
    {
      lie: (infos) => infos.map((info) => ({ ...info, size: 2 ** 50, lfs: undefined })),
      message: /bytes are needed, \d+ are free$/,
    },
  ];
  for (const { lie, message } of lies) {
    const a = await scene(t);
    a.hub.lie = lie;
    await t.rejects(a.pull(), { message });
    t.notOk(existsSync(a.target));
    t.strictSame(a.hub.fetched(), []);
  }
});

t.test('a name that is no repository never becomes an address', async (t) => {
  const a = await scene(t);
  for (const repo of ['../x', 'a/b/c', 'a/../b', '', 'a b', 'https://evil/x', '.', 'a/..']) {
    await t.rejects(a.pull({ repo }), { message: /is not the name of a repository \(owner\/name\)$/ }, repo);
  }
  t.strictSame(a.hub.seen, []);
});

t.test('a model copied elsewhere keeps its promise', async (t) => {
  const a = await scene(t);
  await a.pull();
  const copy = path.join(a.home, 'copy');
  await cp(a.target, copy, { recursive: true });
  t.match(await verifyLock(copy), { revision: COMMIT });
});
