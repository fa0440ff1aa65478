/** client/schema.d.ts is what openapi.yaml gives; the generator lives in client/'s own node_modules. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { packageRoot } from '../../src/package.js';

const client = path.join(packageRoot, 'client');
const missing = !existsSync(path.join(client, 'node_modules', 'openapi-typescript'));

t.test('schema.d.ts is what openapi.yaml gives', { skip: missing && 'npm --prefix client ci' }, async (t) => {
  const { status, stderr } = spawnSync('npm', ['run', '-s', 'schema:check'], { cwd: client, encoding: 'utf8' });
  t.equal(status, 0, stderr);
});

t.test('the package builds by itself', { skip: missing && 'npm --prefix client ci' }, async (t) => {
  const out = t.testdir();
  const tsc = path.join(client, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', '.', '--outDir', out], {
    cwd: client,
    encoding: 'utf8',
  });
  t.equal(status, 0, stdout);
});
