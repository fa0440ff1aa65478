import { readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { SETTINGS } from '../../src/config.js';
import { packageRoot } from '../../src/package.js';
import { errata } from './errata.js';

const home = t.testdir();

t.test('--help names each environment variable, --version the version', async (t) => {
  const help = await errata(['--help'], home);
  t.match(help, { code: 0, stderr: '' });
  for (const { name } of Object.values(SETTINGS)) t.match(help.stdout, name);
  const { version } = JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8')) as { version: string };
  t.strictSame(await errata(['--version'], home), { code: 0, stdout: `${version}\n`, stderr: '' });
});

t.test('a command line that says nothing sensible exits 2 and leads to the help', async (t) => {
  for (const words of [
    ['--frobnicate'],
    ['models', 'frobnicate'],
    ['models', 'pull'],
    ['models', 'pull', 'a', 'b'],
    ['models', 'pull', 'a/b', '--hub-url', 'ftp://x'],
  ]) {
    const { code, stdout, stderr } = await errata(words, home);
    t.match({ code, stdout }, { code: 2, stdout: '' }, words.join(' '));
    t.match(stderr, /^errata: .+\n\(errata --help tells more\)\n$/);
  }
});

t.test('a failure is a line on standard error and exit 1; debug tells where it arose', async (t) => {
  const words = ['models', 'verify', 'nowhere'];
  const { code, stdout, stderr } = await errata(words, home);
  t.strictSame({ code, stdout }, { code: 1, stdout: '' });
  t.match(stderr, /^errata: \S+nowhere has no errata\.lock\.json: .+\n$/);
  t.match((await errata(words, home, { ERRATA_LOG_LEVEL: 'debug' })).stderr, /\n +at .+models\.[jt]s/);
});

t.test('every fault of the environment is a line, warnings too', async (t) => {
  const env = { ERRATA_PORT: 'x', ERRATA_RECORD: 'x', ERRATA_PROT: '1' };
  const { code, stdout, stderr } = await errata(['config'], home, env);
  t.strictSame({ code, stdout }, { code: 1, stdout: '' });
  t.strictSame(stderr.trimEnd().split('\n'), [
    'errata: warning: ERRATA_PROT is not a setting; the nearest is ERRATA_PORT',
    'errata: ERRATA_PORT: expected a whole number from 0 to 65535',
    'errata: ERRATA_RECORD: expected one of best-effort, required, off',
  ]);
});

t.test('config prints what the environment amounts to', async (t) => {
  const { code, stdout } = await errata(['config'], home, { ERRATA_PORT: '1234' });
  t.equal(code, 0);
  t.match(JSON.parse(stdout), { port: 1234, record: 'best-effort' });
});
