/** What the environment tells the service: one table, one frozen object. `errata --help` and .env.example print the table. */
import { availableParallelism } from 'node:os';
import path from 'node:path';
import {
  databaseUrl,
  decimal,
  filePath,
  hostName,
  httpUrl,
  integer,
  labelList,
  oneOf,
  orAuto,
  orNone,
  type Reader,
  Unexpected,
} from './config-values.js';
import { LIMITS } from './limits.js';
import { nearest } from './nearest.js';
import { packageRoot } from './package.js';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Setting<T> {
  readonly name: `ERRATA_${string}`;
  readonly read: Reader<T>;
  /** The text read when the variable is unset or empty. */
  readonly fallback: string | ((env: Environment) => string);
  /** How the default is told, where it is not the fallback's text. */
  readonly told?: string;
  readonly help: string;
  readonly example: string;
}

const dataDirectory = (env: Environment): string => env['ERRATA_DATA_DIR']?.trim() || SETTINGS.dataDir.fallback;

export const SETTINGS = {
  host: {
    name: 'ERRATA_HOST',
    read: hostName,
    fallback: '127.0.0.1',
    help: 'address to listen on; any other than loopback needs API keys',
    example: '::1',
  },
  port: {
    name: 'ERRATA_PORT',
    read: integer(0, 65_535),
    fallback: '8100',
    help: 'port to listen on; 0 takes a free one',
    example: '8080',
  },
  dataDir: {
    name: 'ERRATA_DATA_DIR',
    read: filePath,
    fallback: './data',
    help: 'directory of the database, adapters and caches; made when missing',
    example: '/var/lib/errata',
  },
  model: {
    name: 'ERRATA_MODEL',
    read: filePath,
    fallback: path.join(packageRoot, 'models', 'nli-deberta-v3-tiny'),
    told: 'the bundled models/nli-deberta-v3-tiny',
    help: 'directory of the checkpoint: config.json, model.safetensors, tokenizer.json',
    example: './data/models/cross-encoder--nli-deberta-v3-xsmall@00000000',
  },
  databaseUrl: {
    name: 'ERRATA_DATABASE_URL',
    read: databaseUrl,
    fallback: (env) => `sqlite:${path.resolve(dataDirectory(env), 'errata.db')}`,
    told: 'sqlite:<data directory>/errata.db',
    help: 'where judgements are recorded',
    example: 'sqlite:/var/lib/errata/errata.db',
  },
  maxTokens: {
    name: 'ERRATA_MAX_TOKENS',
    read: integer(64, 4096),
    fallback: '512',
    help: 'longest encoded pair; what is over it is cut from the end of the premise',
    example: '256',
  },
  labels: {
    name: 'ERRATA_LABELS',
    read: orNone(labelList),
    fallback: '',
    told: "the checkpoint's own words",
    help: 'what the labels of a checkpoint mean whose words do not tell: in the order of id2label, or as name=label,…',
    example: 'refutes,supports,neutral',
  },
  embedUrl: {
    name: 'ERRATA_EMBED_URL',
    read: orNone(httpUrl),
    fallback: '',
    told: 'none: POST /embed answers 501',
    help: 'base address of the server that POST /embed is passed on to',
    example: 'http://127.0.0.1:8200',
  },
  record: {
    name: 'ERRATA_RECORD',
    read: oneOf('best-effort', 'required', 'off'),
    fallback: 'best-effort',
    help: 'what happens when a judgement cannot be recorded: it leaves with prediction_id null (best-effort), or 503 (required); off records nothing (corrections and adapters still need a data directory that can be written)',
    example: 'required',
  },
  retentionDays: {
    name: 'ERRATA_RETENTION_DAYS',
    read: integer(1, 36_500),
    fallback: '30',
    help: 'days a recorded judgement is kept',
    example: '90',
  },
  retentionMaxMb: {
    name: 'ERRATA_RETENTION_MAX_MB',
    read: integer(16, 1_000_000_000),
    fallback: '2048',
    help: 'megabytes that recorded judgements may take; over it the oldest go first, those of the last hour never',
    example: '512',
  },
  inferenceChildren: {
    name: 'ERRATA_INFERENCE_CHILDREN',
    read: integer(1, 1024),
    fallback: () => String(availableParallelism()),
    told: 'one for each available core',
    help: 'processes that judge',
    example: '4',
  },
  inferenceThreads: {
    name: 'ERRATA_INFERENCE_THREADS',
    read: integer(1, 1024),
    fallback: '1',
    help: 'threads of each of them; children times threads should not exceed the cores',
    example: '2',
  },
  wideSession: {
    name: 'ERRATA_WIDE_SESSION',
    read: oneOf('auto', 'off'),
    fallback: 'auto',
    help: 'auto lets a lone small batch on an idle engine use all cores at once (latency), for the memory of one more session',
    example: 'off',
  },
  precision: {
    name: 'ERRATA_PRECISION',
    read: oneOf('float32', 'int8'),
    fallback: 'float32',
    help: "numbers of the base model's Linears in judging; int8 is about twice as fast and is used only when the start finds that it keeps the answers (GET /model tells)",
    example: 'int8',
  },
  int8MinAgreement: {
    name: 'ERRATA_INT8_MIN_AGREEMENT',
    read: decimal(0, 1),
    fallback: '0.99',
    help: 'share of 256 pairs that must get the same label in int8 as in float32; under it float32 is served',
    example: '0.995',
  },
  queuePairs: {
    name: 'ERRATA_QUEUE_PAIRS',
    read: integer(1, 10_000_000),
    fallback: '4096',
    help: 'pairs that may wait for a child, those that are being encoded included; over it requests are answered 429',
    example: '1024',
  },
  queueTokens: {
    name: 'ERRATA_QUEUE_TOKENS',
    read: integer(64, 1_000_000_000),
    fallback: '262144',
    help: 'padded tokens of these: the tokens of each pair and 15 %, the most that batching adds to them (before a pair is encoded, an estimate by its characters); over it requests are answered 429, but what finds nothing before it is taken, however large',
    example: '65536',
  },
  rateLimit: {
    name: 'ERRATA_RATE_LIMIT',
    read: orNone(integer(LIMITS.pairs_per_request, 1_000_000_000)),
    fallback: '',
    told: 'none',
    help: 'units that an API key (while there is none: an address) may ask in a minute: one for each pair of POST /nli, one for any other request; over it 429; what is open to all and /metrics are exempt',
    example: '6000',
  },
  batchTokens: {
    name: 'ERRATA_BATCH_TOKENS',
    read: orAuto(integer(64, 10_000_000)),
    fallback: 'auto',
    told: 'auto: 1024',
    help: 'padded tokens of one batch at most; less where a child, as measured at its start, needs more than a second for them',
    example: '4096',
  },
  batchAgeMs: {
    name: 'ERRATA_BATCH_AGE_MS',
    read: integer(0, 1000),
    fallback: '0',
    help: 'milliseconds a batch that is not full may be held back for company; 0: a lone pair does not wait',
    example: '10',
  },
  resultCache: {
    name: 'ERRATA_RESULT_CACHE',
    read: integer(0, 10_000_000),
    fallback: '10000',
    help: 'pairs whose answers are kept in memory, so that what is asked again of the same adapter is not run again; 0: none',
    example: '100000',
  },
  trainAfter: {
    name: 'ERRATA_TRAIN_AFTER',
    read: integer(0, 1_000_000),
    fallback: '100',
    help: 'usable corrections that are new since the last training run and start one by themselves; 0: none do',
    example: '500',
  },
  trainingChildren: {
    name: 'ERRATA_TRAINING_CHILDREN',
    read: orAuto(integer(1, 64)),
    fallback: 'auto',
    told: 'one for each available core, as far as a batch can be shared out',
    help: 'processes of lowest priority that compute the gradients of a training run; the adapter is the same for any number',
    example: '1',
  },
  gateLossPercent: {
    name: 'ERRATA_GATE_LOSS_PERCENT',
    read: decimal(0, 100),
    fallback: '2',
    help: 'shadow comparisons: hundredths of the held-out rows that a new adapter may lose, net, over all and over confirmations',
    example: '1',
  },
  gateAlpha: {
    name: 'ERRATA_GATE_ALPHA',
    read: decimal(0.0001, 0.5),
    fallback: '0.05',
    help: 'shadow comparisons: largest p of the exact McNemar test at which more corrections fixed than broken is no chance',
    example: '0.01',
  },
  gateLowerLimit: {
    name: 'ERRATA_GATE_LOWER_LIMIT',
    read: decimal(-1, 0),
    fallback: '-0.05',
    help: 'shadow comparisons: least one-sided 95 % lower limit of the difference of accuracies on confirmations',
    example: '-0.03',
  },
  gateMinRows: {
    name: 'ERRATA_GATE_MIN_ROWS',
    read: integer(1, 1_000_000),
    fallback: '20',
    help: 'shadow comparisons: fewer held-out corrections or confirmations decide nothing',
    example: '50',
  },
  gateMinPages: {
    name: 'ERRATA_GATE_MIN_PAGES',
    read: integer(2, 1_000_000),
    fallback: '10',
    help: 'shadow comparisons: held-out corrections or confirmations of fewer pages decide nothing',
    example: '25',
  },
  webhooks: {
    name: 'ERRATA_WEBHOOKS',
    read: orNone(filePath),
    fallback: '',
    told: 'none: nobody is told',
    help: 'JSON file of the targets that are told of runs, comparisons and promotions, with the secrets to sign by',
    example: '/etc/errata/webhooks.json',
  },
  logLevel: {
    name: 'ERRATA_LOG_LEVEL',
    read: oneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
    fallback: 'info',
    help: 'least severity that is logged; debug also shows where an error of the command line arose',
    example: 'debug',
  },
} as const satisfies Record<string, Setting<unknown>>;

export type Config = { readonly [K in keyof typeof SETTINGS]: ReturnType<(typeof SETTINGS)[K]['read']> };

/** Everything wrong with the environment, one fault a line, each with its variable's name. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join('\n'));
    this.faults = faults;
  }
}

/**
 * Reads and checks every variable. An empty variable counts as unset.
 * @param warn is told of ERRATA_ variables nobody reads, and of settings that work against each other
 * @throws ConfigError with all faults at once
 */
export function loadConfig(env: Environment, warn: (message: string) => void = () => {}): Config {
  for (const message of strangers(env)) warn(message);
  const faults: string[] = [];
  const entries = Object.entries(SETTINGS).map(([key, setting]) => [key, readSetting(setting, env, faults)]);
  if (faults.length > 0) throw new ConfigError(faults);
  const config = Object.freeze(Object.fromEntries(entries)) as Config;
  checkTogether(config, warn);
  return config;
}

/** The value, or undefined with a fault added. The text itself is not repeated: an address may hold a secret. */
function readSetting(setting: Setting<unknown>, env: Environment, faults: string[]): unknown {
  const { fallback } = setting;
  const text = env[setting.name]?.trim() || (typeof fallback === 'string' ? fallback : fallback(env));
  try {
    return setting.read(text);
  } catch (error) {
    if (!(error instanceof Unexpected)) throw error;
    faults.push(`${setting.name}: expected ${error.message}`);
    return undefined;
  }
}

function checkTogether(config: Config, warn: (message: string) => void): void {
  const { inferenceChildren, inferenceThreads } = config;
  const cores = availableParallelism();
  if (inferenceChildren * inferenceThreads > cores) {
    const product = `${inferenceChildren} × ${inferenceThreads}`;
    warn(
      `ERRATA_INFERENCE_CHILDREN × ERRATA_INFERENCE_THREADS is ${product}, more than the ${cores} cores: slower, not faster`,
    );
  }
}

/** What the command line reads where it asks a service. */
const CLIENT_VARIABLES = new Set(['ERRATA_URL', 'ERRATA_API_KEY']);

/** A line for each ERRATA_ variable that nothing reads. */
function strangers(env: Environment): string[] {
  const known = Object.values(SETTINGS).map(({ name }): string => name);
  return Object.keys(env)
    .filter((name) => name.startsWith('ERRATA_') && !known.includes(name) && !CLIENT_VARIABLES.has(name))
    .map((name) => `${name} is not a setting; the nearest is ${nearest(name, known)}`);
}
