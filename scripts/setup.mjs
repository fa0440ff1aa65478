/**
 * Builds the one native module whose install script this project runs (better-sqlite3), from the source in its npm
 * package: `.npmrc` keeps every other install script from running. Does nothing when the module already loads.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(import.meta.url);

function loads() {
  try {
    const Database = require('better-sqlite3');
    new Database(':memory:').close();
    return true;
  } catch {
    return false;
  }
}

/** Node's distributions carry their own headers; with them node-gyp needs no download. */
function nodeHeaders() {
  const prefix = path.resolve(process.execPath, '..', '..');
  return existsSync(path.join(prefix, 'include', 'node', 'node_version.h')) ? [`--nodedir=${prefix}`] : [];
}

if (!loads()) {
  console.error('setup: building better-sqlite3 from source (once, about a minute)');
  const gyp = require.resolve('node-gyp/bin/node-gyp.js');
  const cwd = path.dirname(require.resolve('better-sqlite3/package.json'));
  execFileSync(process.execPath, [gyp, 'rebuild', '--release', '--silent', ...nodeHeaders()], {
    cwd,
    stdio: 'inherit',
  });
  if (!loads()) throw new Error('better-sqlite3 was built but does not load');
}
