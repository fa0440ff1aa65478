/** The table of src/failpoints.ts is the truth: each name is marked once, met by a scenario, and refused when misspelt. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { FAILPOINTS } from '../../src/failpoints.js';
import { packageRoot } from '../../src/package.js';
import { errata } from '../cli/errata.js';
import { COMMANDS } from './commands.js';
import { SCENARIOS } from './scenarios.js';

const SOURCES = ['src', 'adapters', 'routes'] as const;
const names = Object.keys(FAILPOINTS);

/** Every `failpoint('…')` of the sources. */
function marks(): string[] {
  const files = SOURCES.flatMap((folder) =>
    readdirSync(path.join(packageRoot, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => path.join(packageRoot, folder, file)),
  );
  const found = files.flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/\bfailpoint\('([^']+)'\)/g)]);
  return found.map(([, name]) => name as string);
}

t.test('each name of the table is marked in one place of the sources, and each mark is in the table', async (t) => {
  t.strictSame(marks().toSorted(), names.toSorted());
  t.ok(names.length >= 40);
});

t.test('each name is met by a scenario', async (t) => {
  const met = [...SCENARIOS, ...COMMANDS].flatMap(({ once, often }) => [...once, ...often]);
  t.strictSame([...new Set<string>(met)].toSorted(), names.toSorted());
});

t.test('a name that the table lacks, and a number that is none, are refused at start', async (t) => {
  const dataDir = t.testdir();
  for (const FAILPOINT of ['group.commit:1', 'toString:1', 'group.begun:0']) {
    const told = await errata(['keys', 'list'], dataDir, { ERRATA_DATA_DIR: dataDir, FAILPOINT });
    t.match(
      told,
      { code: 1, stdout: '', stderr: /FAILPOINT: expected name:n with a name of src\/failpoints\.ts/ },
      FAILPOINT,
    );
  }
  t.strictSame(readdirSync(dataDir), []);
});
