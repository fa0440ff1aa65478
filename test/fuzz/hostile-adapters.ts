/** PEFT directories that somebody has changed: bytes, header, configuration. */
import fc, { type Arbitrary } from 'fast-check';
import type { AdapterFiles } from '../../adapters/format.js';
import { bytes, type Change } from './hostile-bytes.js';
import { spoiledConfig } from './hostile-config.js';
import { headers, lengths } from './hostile-header.js';

/** One of `files` with one to three changes in its weights, its configuration, or both. */
export function hostileAdapters(files: readonly AdapterFiles[]): Arbitrary<AdapterFiles> {
  const configs = fc.array(fc.oneof(spoiledConfig(), bytes()), { minLength: 1, maxLength: 2 });
  const weights = fc.array(fc.oneof(bytes(), lengths(), { weight: 3, arbitrary: headers() }), {
    minLength: 1,
    maxLength: 3,
  });
  const changes = fc.oneof(
    { weight: 4, arbitrary: weights.map((all) => ({ config: [], weights: all })) },
    { weight: 3, arbitrary: configs.map((all) => ({ config: all, weights: [] })) },
    { weight: 1, arbitrary: fc.record({ config: configs, weights }) },
  );
  return fc.tuple(fc.constantFrom(...files), changes).map(([valid, change]) => ({
    config: changed(valid.config, change.config),
    weights: changed(valid.weights, change.weights),
  }));
}

const changed = (bytesBefore: Uint8Array, changes: readonly Change[]): Uint8Array =>
  changes.reduce<Buffer>((before, change) => change(before), Buffer.from(bytesBefore));
