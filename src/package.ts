/** Where this package lies and which version it is; dist/src/ is two floors below its root. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const packageRoot: string = path.resolve(fileURLToPath(new URL('../..', import.meta.url)));

/** The version in package.json. */
export function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8'));
  return (manifest as { version: string }).version;
}
