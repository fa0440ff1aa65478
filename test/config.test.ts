import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { ConfigError, type Environment, loadConfig, SETTINGS } from '../src/config.js';
import { envExample, settingsHelp } from '../src/cli/settings.js';
import { ENGINE_DEFAULTS } from '../src/engine/engine.js';
import { packageRoot } from '../src/package.js';

function faults(env: Environment): readonly string[] {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}

t.test('an empty environment gives the documented defaults', async (t) => {
  const data = path.resolve('data');
  t.strictSame(loadConfig({}), {
    host: '127.0.0.1',
    port: 8100,
    dataDir: data,
    model: path.join(packageRoot, 'models', 'nli-deberta-v3-tiny'),
    databaseUrl: `sqlite:${path.join(data, 'errata.db')}`,
    maxTokens: 512,
    labels: null,
    embedUrl: null,
    record: 'best-effort',
    retentionDays: 30,
    retentionMaxMb: 2048,
    inferenceChildren: availableParallelism(),
    inferenceThreads: 1,
    wideSession: 'auto',
    precision: 'float32',
    int8MinAgreement: 0.99,
    queuePairs: 4096,
    queueTokens: 262_144,
    rateLimit: null,
    batchTokens: null,
    batchAgeMs: 0,
    resultCache: 10_000,
    gateLossPercent: 2,
    gateAlpha: 0.05,
    gateLowerLimit: -0.05,
    gateMinRows: 20,
    gateMinPages: 10,
    trainAfter: 100,
    trainingChildren: null,
    webhooks: null,
    logLevel: 'info',
  });
});

t.test('the bundled model is found from any working directory', async (t) => {
  const here = process.cwd();
  t.teardown(() => process.chdir(here));
  process.chdir(t.testdir());
  t.match(JSON.parse(readFileSync(path.join(loadConfig({}).model, 'config.json'), 'utf8')), {
    model_type: 'deberta-v2',
  });
});

t.test('values are read, paths made absolute, spaces cut, empty is unset', async (t) => {
  const env = {
    ERRATA_HOST: ' ::1 ',
    ERRATA_PORT: '0',
    ERRATA_DATA_DIR: 'here',
    ERRATA_LABELS: 'refutes, supports,neutral',
    ERRATA_EMBED_URL: 'http://127.0.0.1:8200/base/',
    ERRATA_RECORD: '',
    ERRATA_BATCH_TOKENS: '4096',
  };
  t.match(loadConfig(env), {
    host: '::1',
    port: 0,
    dataDir: path.resolve('here'),
    databaseUrl: `sqlite:${path.resolve('here/errata.db')}`,
    labels: 'refutes, supports,neutral',
    embedUrl: 'http://127.0.0.1:8200/base',
    record: 'best-effort',
    batchTokens: 4096,
  });
  t.equal(loadConfig({ ERRATA_DATABASE_URL: 'sqlite:x.db' }).databaseUrl, `sqlite:${path.resolve('x.db')}`);
});

t.test('the object is frozen', async (t) => {
  t.ok(Object.isFrozen(loadConfig({})));
});

t.test('a value out of range or shape is a fault that names its variable', async (t) => {
  const cases: Record<string, readonly string[]> = {
    ERRATA_HOST: ['a b', '127.0.0.1:80 ', 'http://x', '-x', '[::1]'],
    ERRATA_PORT: ['65536', '-1', '1e3', '80.0', '0x50', 'abc', '٣'],
    ERRATA_MODEL: ['a\0b'],
    ERRATA_DATABASE_URL: ['errata.db', 'sqlite:', 'sqlite://x', 'sqlite::memory:', 'postgres://x/y', 'SQLITE:x'],
    ERRATA_MAX_TOKENS: ['63', '4097'],
    ERRATA_LABELS: ['supports,', ',', 'a=supports,refutes', 'a=b=c', '=supports', 'supports='],
    ERRATA_EMBED_URL: ['ftp://x', 'x', 'http://', 'http://user:pass@x/', 'http://x/?q=1', 'http://x/#f'],
    ERRATA_RECORD: ['on', 'OFF', 'best effort'],
    ERRATA_RETENTION_DAYS: ['0'],
    ERRATA_RETENTION_MAX_MB: ['15'],
    ERRATA_INFERENCE_CHILDREN: ['0'],
    ERRATA_INFERENCE_THREADS: ['0'],
    ERRATA_WIDE_SESSION: ['on'],
    ERRATA_QUEUE_PAIRS: ['0'],
    ERRATA_QUEUE_TOKENS: ['1', '63'],
    ERRATA_BATCH_TOKENS: ['AUTO', '1'],
    ERRATA_BATCH_AGE_MS: ['1001', '2.5'],
    ERRATA_RESULT_CACHE: ['-1', '10000001', 'auto'],
    ERRATA_GATE_LOSS_PERCENT: ['-1', '101', '2%', '1e1', '.5'],
    ERRATA_GATE_LOWER_LIMIT: ['0.01', '-1.1', '--1'],
    ERRATA_GATE_MIN_PAGES: ['1', '10.5'],
    ERRATA_LOG_LEVEL: ['verbose'],
  };
  for (const [name, texts] of Object.entries(cases)) {
    for (const text of texts) {
      const found = faults({ [name]: text });
      t.ok(found.length === 1 && found[0]?.startsWith(`${name}: expected `), `${name}=${text}`);
    }
  }
});

t.test('all faults are told at once, each with what was expected, none with what was given', async (t) => {
  t.strictSame(faults({ ERRATA_PORT: 'hush', ERRATA_RECORD: 'hush', ERRATA_BATCH_TOKENS: 'hush' }), [
    'ERRATA_PORT: expected a whole number from 0 to 65535',
    'ERRATA_RECORD: expected one of best-effort, required, off',
    'ERRATA_BATCH_TOKENS: expected auto or a whole number from 64 to 10000000',
  ]);
});

t.test('a variable nobody reads is a warning with the nearest that is read; others are not ours', async (t) => {
  const warnings: string[] = [];
  loadConfig({ ERRATA_PROT: '1', ERRATA_MODLE: 'x', PORT: '1', errata_port: '1' }, (warning) => warnings.push(warning));
  t.strictSame(warnings, [
    'ERRATA_PROT is not a setting; the nearest is ERRATA_PORT',
    'ERRATA_MODLE is not a setting; the nearest is ERRATA_MODEL',
  ]);
});

t.test('more threads than cores are a warning', async (t) => {
  const warnings: string[] = [];
  const threads = String(availableParallelism() + 1);
  loadConfig({ ERRATA_INFERENCE_CHILDREN: '1', ERRATA_INFERENCE_THREADS: threads }, (warning) =>
    warnings.push(warning),
  );
  t.match(warnings, [/^ERRATA_INFERENCE_CHILDREN × ERRATA_INFERENCE_THREADS is 1 × \d+, more than the \d+ cores/]);
});

t.test('.env.example is the table, and every example in it is a good value', async (t) => {
  const text = readFileSync(path.join(packageRoot, '.env.example'), 'utf8');
  t.equal(text, envExample());
  const env = Object.fromEntries([...text.matchAll(/^#(ERRATA_\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]));
  t.strictSame(
    Object.keys(env),
    Object.values(SETTINGS).map(({ name }) => name),
  );
  t.strictSame(faults(env), []);
});

t.test('what auto stands for is told as it is', async (t) => {
  t.equal(SETTINGS.batchTokens.told, `auto: ${ENGINE_DEFAULTS.batchTokens}`);
});

t.test('the help lists each variable with its default', async (t) => {
  for (const { name } of Object.values(SETTINGS))
    t.match(settingsHelp(), new RegExp(`^  ${name} .+\\(default: .+\\)$`, 'm'));
});
