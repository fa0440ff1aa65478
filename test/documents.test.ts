/** What is written about the project leads somewhere. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { packageRoot } from '../src/package.js';

const DOCUMENTS = [
  'README.md',
  'CONTRIBUTING.md',
  'client/README.md',
  ...readdirSync(path.join(packageRoot, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => path.join('docs', file)),
];

/** Targets of links within the repository. */
function linksOf(document: string): string[] {
  const text = readFileSync(path.join(packageRoot, document), 'utf8');
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return targets.filter((target) => !/^[a-z]+:|^#/.test(target)).map((target) => target.replace(/#.*/, ''));
}

t.test('every link within the repository leads to a file', async (t) => {
  for (const document of DOCUMENTS)
    for (const target of linksOf(document))
      t.ok(existsSync(path.join(packageRoot, path.dirname(document), target)), `${document}: ${target}`);
});
