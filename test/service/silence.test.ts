/** onnxruntime sends usage events and keeps an identifier unless told not to before it is loaded. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { packageRoot } from '../../src/package.js';

t.test('a process that runs graphs leaves nothing in the temporary directory', async (t) => {
  const home = t.testdir();
  const env = { PATH: process.env['PATH'], TMPDIR: home, HOME: home };
  const golden = path.join(packageRoot, 'test', 'golden', 'short-buckets');
  const main = path.join(packageRoot, 'dist', 'src', 'main.js');
  const { status } = spawnSync(process.execPath, [main, 'golden', golden], { env });
  t.equal(status, 0);
  t.strictSame(readdirSync(home), []);
});
