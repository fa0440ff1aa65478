/** The precision a checkpoint is served in: int8 where it keeps the answers, float32 where it would not. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { openCheckpoint } from '../src/checkpoint/checkpoint.js';
import { ENGINE_DEFAULTS } from '../src/engine/engine.js';
import { agreementBetween, openInPrecision, type Precision, type PrecisionParts } from '../src/precision.js';
import { openText } from '../src/text/text.js';
import { textFiles } from '../src/train/open.js';
import { TINY, altered, logitsOf, readFiles, writeFiles } from './support/checkpoints.js';
import { generator, tokens } from './support/random.js';

const text = await openText(textFiles({ model: TINY }, 512));
t.teardown(() => text.close());

async function parts(t: Test, asked: Precision, given: Partial<PrecisionParts> = {}): Promise<PrecisionParts> {
  return {
    checkpoint: await openCheckpoint(TINY),
    text,
    options: { ...ENGINE_DEFAULTS, children: 1, wideSession: false, precision: asked },
    minAgreement: 0.99,
    directory: t.testdir(),
    log: { error: (_, message) => t.fail(message) },
    ...given,
  };
}

/** What is used, what was measured, and the engine's own logits for a row. */
async function opened(given: PrecisionParts) {
  const { engine, precision } = await openInPrecision(given);
  const [row] = tokens(generator(3), given.checkpoint.config.vocabSize, [40]);
  const [logits] = await engine.classify([row!]);
  await engine.close();
  const [exact] = await logitsOf(given.checkpoint, [row!]);
  const [coded] = await logitsOf(given.checkpoint, [row!], [], { int8: 127 });
  const used =
    String([...logits!]) === String(coded) ? 'int8' : String([...logits!]) === String(exact) ? 'float32' : '?';
  return { ...precision, answers: used };
}

t.test('float32 is asked for: nothing is measured', async (t) => {
  t.same(await opened(await parts(t, 'float32')), {
    asked: 'float32',
    used: 'float32',
    int8: null,
    answers: 'float32',
  });
});

t.test('int8 is asked for and keeps the bundled model’s answers: it is used, and measured once', async (t) => {
  const given = await parts(t, 'int8');
  const first = await opened(given);
  t.match(first, { asked: 'int8', used: 'int8', answers: 'int8', int8: { pairs: 256, min_agreement: 0.99 } });
  t.ok(first.int8!.agreement >= 0.99 && first.int8!.mean_score_difference < 0.01, JSON.stringify(first.int8));
  t.ok(first.int8!.mean_score_difference > 0);
  const file = path.join(given.directory, 'int8-agreement.json');
  const kept = JSON.parse(readFileSync(file, 'utf8')) as { agreement: object };
  writeFileSync(file, JSON.stringify({ ...kept, agreement: { ...kept.agreement, agreement: 0.5 } }));
  t.match(
    await opened(given),
    { used: 'float32', answers: 'float32', int8: { agreement: 0.5 } },
    'what is kept counts',
  );
  writeFileSync(file, '{"key');
  t.match(await opened(given), { used: 'int8', int8: first.int8! }, 'a spoilt file is measured anew');
  const less = { ...given, pairs: [{ premise: 'It rained.', hypothesis: 'It was wet.' }] };
  t.match(await opened(less), { int8: { pairs: 1 } }, 'other pairs are measured anew');
});

t.test('what was measured but cannot be kept is told, and served', async (t) => {
  const logged: [object, string][] = [];
  const directory = path.join(t.testdir({ file: '' }), 'file'); // no directory, so nothing can be written there
  const pairs = [{ premise: 'It rained.', hypothesis: 'It was wet.' }];
  const log = { error: (fields: object, message: string) => void logged.push([fields, message]) };
  const seen = await opened(await parts(t, 'int8', { directory, pairs, log, minAgreement: 0 }));
  t.match(seen, { used: 'int8', answers: 'int8', int8: { pairs: 1 } });
  t.match(logged, [[{ err: Error }, /could not be kept/]]);
});

/** A channel that is always 0 and whose weights are huge: float32 does not notice, the codes of all other weights become 0. */
t.test('a checkpoint with outliers that int8 cannot hold is served in float32', async (t) => {
  const files = readFiles(TINY);
  const silent = (x: number, i: number): number => (i === 7 ? 0 : x);
  const huge = (x: number, i: number): number => (i % files.config.hidden_size === 7 ? 1000 : x);
  const tensors = [...files.tensors.keys()].reduce((all, name) => {
    if (/LayerNorm\.(weight|bias)$/.test(name)) return altered(all, name, silent);
    return /(query|key|value)_proj\.weight$|intermediate\.dense\.weight$/.test(name) ? altered(all, name, huge) : all;
  }, files.tensors);
  const given = await parts(t, 'int8');
  const folder = await writeFiles(path.join(given.directory, 'outliers'), { ...files, tensors });
  const seen = await opened({ ...given, checkpoint: await openCheckpoint(folder) });
  t.match(seen, { asked: 'int8', used: 'float32', answers: 'float32' });
  t.ok(seen.int8!.agreement < 0.99, JSON.stringify(seen.int8));
});

t.test('agreement counts labels, and takes a pair without an answer for a difference', async (t) => {
  const exact = [[0.6, 0.4], [0.2, 0.8], null, [0.5, 0.5]];
  const coded = [[0.7, 0.3], [0.6, 0.4], [0.9, 0.1], null];
  const seen = agreementBetween(exact, coded);
  t.same([seen.pairs, seen.agreement], [4, 0.25]);
  t.ok(Math.abs(seen.mean_score_difference - (0.1 + 0.1 + 0.4 + 0.4 + 1 + 1) / 6) < 1e-9);
});
