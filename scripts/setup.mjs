/**
 * Builds the one native module whose install script this project runs (better-sqlite3), from the source in its npm
 * package: `.npmrc` keeps every other install script from running. Does nothing when the module already loads.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(import.meta.url);

/** Why it does not load; undefined when it does. */
function fault() {
  try {
    const Database = require('better-sqlite3');
    new Database(':memory:').close();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Node's distributions carry their own headers; with them node-gyp needs no download. */
function nodeHeaders() {
  const prefix = path.resolve(process.execPath, '..', '..');
  return existsSync(path.join(prefix, 'include', 'node', 'node_version.h')) ? [`--nodedir=${prefix}`] : [];
}

const before = fault();
if (before !== undefined) {
  console.error(`setup: better-sqlite3 does not load yet: ${String(before.message).split('\n')[0]}`);
  console.error('setup: building it from source (once, about a minute)');
  const gyp = require.resolve('node-gyp/bin/node-gyp.js');
  const cwd = path.dirname(require.resolve('better-sqlite3/package.json'));
  execFileSync(process.execPath, [gyp, 'rebuild', '--release', '--silent', ...nodeHeaders()], {
    cwd,
    stdio: 'inherit',
  });
  const after = fault();
  if (after !== undefined) throw new Error('better-sqlite3 was built but does not load', { cause: after });
}
