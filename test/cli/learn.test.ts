/** What reviewers and operators do from the command line, against the real service with the bundled model. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { packageRoot } from '../../src/package.js';
import { startService } from '../service/service.js';
import { errata, outcome, start } from './errata.js';

interface Pair {
  readonly premise: string;
  readonly hypothesis: string;
  readonly label: string;
  readonly page_id: string;
}

const sample = readFileSync(path.join(packageRoot, 'demo', 'data', 'reviewed.jsonl'), 'utf8')
  .trimEnd()
  .split('\n');
const OTHER: Readonly<Record<string, string>> = { supports: 'refutes', refutes: 'neutral', neutral: 'supports' };

/** As another service would bring them: with the label that a model claimed. */
const corrections = sample.slice(0, 24).map((line, i) => {
  const { premise, hypothesis, label, page_id } = JSON.parse(line) as Pair;
  const claimed = { original_label: OTHER[label], original_confidence: 0.95 };
  return { external_id: `e${i}`, premise, nli_hypothesis: hypothesis, correct_label: label, page_id, ...claimed };
});

/** Of the file, for the service of a test takes the test's own. */
const home = t.testdir({
  'in.jsonl': corrections.map((one) => JSON.stringify(one)).join('\n'),
  'bad.jsonl': [JSON.stringify(corrections[0]), '{"correct_label":', '{"correct_label":"maybe"}'].join('\n'),
});

t.test('corrections in, an adapter trained, compared, promoted, exported, rolled back', async (t) => {
  const { url } = await startService(t, { ERRATA_TRAIN_AFTER: '0' });
  const ask = (...words: string[]) => errata(words, home, { ERRATA_URL: url });

  t.strictSame(await ask('import', 'corrections', 'in.jsonl'), {
    code: 0,
    stdout: '24 lines: 24 stored, 0 replaced, 0 there already, 0 failed\n',
    stderr: '',
  });
  t.match(JSON.parse((await ask('import', 'corrections', 'in.jsonl', '--json')).stdout), { stored: 0, unchanged: 24 });
  t.match(await ask('export', 'corrections', 'out.jsonl'), { code: 0, stdout: '24 corrections in out.jsonl\n' });
  t.equal((await ask('export', 'corrections')).stdout, readFileSync(path.join(home, 'out.jsonl'), 'utf8'));

  const refused = await ask('train');
  t.match(refused, { code: 1, stdout: '' });
  t.match(refused.stderr, /^errata: 24 corrections are usable and 100 are needed.* \(status 409\)\n$/);
  const trained = await ask('train', '--force', '--set', 'epochs=1', '--set', 'target_modules=["query_proj"]');
  t.equal(trained.code, 0, trained.stderr);
  t.match(trained.stderr, /^run .+\n(.+\n)*run running\n(.+\n)*epoch 1 done\n(.+\n)*run succeeded\n$/);
  t.match(trained.stdout, /^adapter v1 learnt from \d+ reviews\ncomparison \S+: not enough data to tell; .+\n/);

  const compared = await ask('compare', 'v1', '--html', 'report.html', '--json');
  t.equal(compared.code, 4, compared.stderr);
  t.match(JSON.parse(compared.stdout), { state: 'succeeded', verdict: 'not_enough_data', new: { version: 'v1' } });
  t.match(readFileSync(path.join(home, 'report.html'), 'utf8'), /^<!doctype html>/i);

  t.match(await ask('promote', 'v1'), { code: 1, stdout: '', stderr: /status 409/ });
  t.match(await ask('promote', 'v1', '--force', '--reason', 'a test', '--if-match', '"old"'), {
    code: 1,
    stderr: /412/,
  });
  t.match(await ask('promote', 'v1', '--force', '--reason', 'a test'), {
    code: 0,
    stdout: /^v1 answers now \(digest /,
  });

  t.match(await ask('export', 'adapter', 'v1', 'peft'), { code: 0, stdout: 'v1 in peft\n' });
  t.match(await ask('import', 'adapter', 'peft'), { code: 0, stdout: /^v1 \(digest / });
  writeFileSync(path.join(home, 'peft', 'adapter_model.safetensors'), 'nothing');
  t.match(await ask('import', 'adapter', 'peft'), { code: 1, stderr: /adapter_model\.safetensors/ });

  t.match(JSON.parse((await ask('rollback', '--json')).stdout), { adapter: null });
  t.match(await ask('rollback'), { code: 1, stderr: /status 409/ });
});

t.test('lines that fail are named, all others are stored, and the status says so', async (t) => {
  const { url } = await startService(t, { ERRATA_TRAIN_AFTER: '0' });
  const { code, stdout, stderr } = await errata(['import', 'corrections', 'bad.jsonl', '--url', url], home);
  t.match({ code, stdout }, { code: 1, stdout: '3 lines: 1 stored, 0 replaced, 0 there already, 2 failed\n' });
  t.match(stderr, /^line 2: .+\nline 3: \/correct_label .+\nerrata: 2 of 3 lines were not stored\n$/);
});

t.test('what is wrong with a parameter, an adapter or the address is told', async (t) => {
  const { url } = await startService(t);
  for (const [words, code, says] of [
    [['train', '--set', 'epochs=x'], 1, /^errata: \/parameters\/epochs .+ \(status 400\)\n$/],
    [['train', '--set', 'epochs'], 2, /Expected parameter=value/],
    [['compare', 'v9'], 1, /status 422/],
    [['promote', 'v9'], 1, /status 404/],
    [['export', 'adapter', 'v9', 'x'], 1, /status 404/],
    [['train', '--url', 'ftp://x'], 2, /Expected an http/],
  ] as const) {
    const told = await errata(words, home, { ERRATA_URL: url });
    t.match(told, { code, stdout: '', stderr: says }, words.join(' '));
  }
  t.notOk(existsSync(path.join(home, 'x')), 'what was not there to be exported left no directory');
  const nobody = { ERRATA_URL: 'http://127.0.0.1:9' };
  writeFileSync(path.join(home, 'kept.jsonl'), 'before');
  for (const words of [['train'], ['export', 'corrections', 'kept.jsonl']])
    t.match(await errata(words, home, nobody), {
      code: 1,
      stderr: /^errata: no answer from .+; --url or ERRATA_URL names another address\n$/,
    });
  t.equal(readFileSync(path.join(home, 'kept.jsonl'), 'utf8'), 'before');
});

t.test('a detached run is told and left alone; output that nobody reads ends the command', async (t) => {
  const { url } = await startService(t, { ERRATA_TRAIN_AFTER: '0' });
  await errata(['import', 'corrections', 'in.jsonl', '--url', url], home);
  const { code, stdout } = await errata(['train', '--force', '--detach', '--json', '--url', url], home);
  t.equal(code, 0);
  t.match(JSON.parse(stdout), { state: 'queued', started_by: 'request' });
  const child = start(['export', 'corrections', '--url', url], home);
  child.stdout?.destroy();
  t.match(await outcome(child), { stderr: '' });
});
