/**
 * Removes onnxruntime's binaries of other platforms, about 250 MB of what npm installs: `node scripts/prune-platforms.mjs
 * [node_modules]`. For images and archives that run where they are made.
 */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';

const [modules = 'node_modules'] = process.argv.slice(2);
const root = path.join(modules, 'onnxruntime-node', 'bin');
const [version, ...others] = readdirSync(root);
if (version === undefined || others.length > 0) throw new Error(`${root} is not laid out as expected`);
const own = path.join(root, version, process.platform, process.arch);
if (!existsSync(own)) throw new Error(`${own} is missing: onnxruntime has no binary for this platform`);

for (const platform of readdirSync(path.join(root, version))) {
  const folder = path.join(root, version, platform);
  for (const arch of readdirSync(folder)) {
    const binary = path.join(folder, arch);
    if (binary !== own) rmSync(binary, { recursive: true });
  }
  if (readdirSync(folder).length === 0) rmSync(folder, { recursive: true });
}
