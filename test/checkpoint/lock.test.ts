import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import t, { type Test } from 'tap';
import { type Lock, LOCK_FILE, readLock, verifyLock, writeLock } from '../../src/checkpoint/lock.js';

const CONTENTS = { 'config.json': '{}', 'model.safetensors': 'weights', 'empty.json': '' };

const LOCK: Lock = {
  lock_version: 1,
  repo: 'owner/name',
  revision: '0123456789abcdef0123456789abcdef01234567',
  files: Object.entries(CONTENTS).map(([name, content]) => ({
    name,
    size: content.length,
    sha256: createHash('sha256').update(content).digest('hex'),
  })),
};

async function lockedFolder(t: Test): Promise<string> {
  const directory = t.testdir(CONTENTS);
  await writeLock(directory, LOCK);
  return directory;
}

t.test('a folder without a lock promises nothing', async (t) => {
  t.equal(await verifyLock(t.testdir(CONTENTS)), null);
});

t.test('an unchanged folder answers its lock', async (t) => {
  const directory = await lockedFolder(t);
  t.strictSame(await readLock(directory), LOCK);
  t.strictSame(await verifyLock(directory), LOCK);
});

t.test('a file that is longer, changed, missing or no file is named', async (t) => {
  const cases: { change: (file: string) => Promise<unknown>; message: RegExp }[] = [
    {
      change: (file) => writeFile(file, 'weights!'),
      message: /model\.safetensors differs from .*: it has 8 bytes, not 7$/,
    },
    {
      change: (file) => writeFile(file, 'Weights'),
      message: /model\.safetensors differs from .*: its SHA-256 is [0-9a-f]{64}, not [0-9a-f]{64}$/,
    },
    { change: (file) => rm(file), message: /model\.safetensors is missing/ },
    { change: (file) => rm(file).then(() => mkdir(file)), message: /model\.safetensors is missing/ },
    { change: (file) => rm(file).then(() => symlink('nowhere', file)), message: /model\.safetensors is missing/ },
  ];
  for (const { change, message } of cases) {
    const directory = await lockedFolder(t);
    await change(path.join(directory, 'model.safetensors'));
    await t.rejects(verifyLock(directory), { message });
  }
});

t.test('symbolic links are followed, as in the hub cache', async (t) => {
  const directory = await lockedFolder(t);
  const weights = path.join(directory, 'model.safetensors');
  await rename(weights, path.join(directory, 'blob'));
  await symlink('blob', weights);
  t.strictSame(await verifyLock(directory), LOCK);
  await writeFile(path.join(directory, 'blob'), 'Weights');
  await t.rejects(verifyLock(directory), { message: /model\.safetensors differs/ });
});

t.test('what is no lock is refused, never taken for an absent one', async (t) => {
  const [file] = LOCK.files;
  const cases: unknown[] = [
    '',
    '{',
    null,
    [],
    { ...LOCK, lock_version: 2 },
    { ...LOCK, revision: 'main' },
    { ...LOCK, repo: 1 },
    { ...LOCK, files: [] },
    { ...LOCK, files: {} },
    { ...LOCK, files: [null] },
    ...['../config.json', '/etc/passwd', 'a/b', '', '..', '.hidden'].map((name) => ({
      ...LOCK,
      files: [{ ...file, name }],
    })),
    { ...LOCK, files: [{ ...file, size: '2' }] },
    { ...LOCK, files: [{ ...file, sha256: 'abc' }] },
  ];
  for (const content of cases) {
    const text = typeof content === 'string' ? content : JSON.stringify(content);
    const directory = t.testdir({ ...CONTENTS, [LOCK_FILE]: text });
    await t.rejects(
      verifyLock(directory),
      { message: /errata\.lock\.json is not a lock file that this version reads$/ },
      text,
    );
  }
});

t.test('the lock is written whole, nothing is left beside it', async (t) => {
  const directory = await lockedFolder(t);
  t.strictSame(JSON.parse(await readFile(path.join(directory, LOCK_FILE), 'utf8')), LOCK);
  t.same(
    (await readdir(directory)).filter((name) => name.endsWith('.tmp')),
    [],
  );
});
