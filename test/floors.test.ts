/** The house of CONTRIBUTING.md is held by the linter: faults planted in a house of their own are found, and only they. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { packageRoot } from '../src/package.js';

const OXLINT = path.join(path.dirname(createRequire(import.meta.url).resolve('oxlint/package.json')), 'dist', 'cli.js');

interface Imports {
  readonly file: string;
  readonly allowed: readonly string[];
  readonly refused: readonly string[];
}

const HOUSE: readonly Imports[] = [
  {
    file: 'src/labels.ts',
    allowed: ['node:fs/promises', './errors.js', './failpoints.js'],
    refused: [
      './judge/judge.js',
      './engine/engine.js',
      '../schemas/nli.js',
      '../client/client.js',
      'fastify',
      'undici',
    ],
  },
  {
    file: 'src/tensors/safetensors.ts',
    allowed: ['node:fs', './dtype.js', '../errors.js'],
    refused: ['../graph/compile.js', '../judge/judge.js', '../checkpoint/lock.js', 'kysely', './../graph/compile.js'],
  },
  {
    file: 'src/graph/compile.ts',
    allowed: ['./onnx.js', '../tensors/dtype.js', '../checkpoint/config.js', '../errors.js'],
    refused: [
      '../engine/engine.js',
      '../runtime/session.js',
      '../../routes/nli.js',
      '../judge/judge.js',
      'onnxruntime-node',
    ],
  },
  {
    file: 'src/checkpoint/lock.ts',
    allowed: ['../files.js', '../tensors/header.js'],
    refused: ['../graph/compile.js', '../models/pull.js', '../cli/program.js'],
  },
  {
    file: 'src/models/pull.ts',
    allowed: ['@huggingface/hub', '../checkpoint/lock.js'],
    refused: ['../engine/engine.js', 'cli-progress', 'undici'],
  },
  {
    file: 'src/text/text.ts',
    allowed: ['@huggingface/tokenizers', './pair.js'],
    refused: ['../engine/engine.js', '@huggingface/hub', '../tensors/dtype.js'],
  },
  {
    file: 'src/runtime/session.ts',
    allowed: ['onnxruntime-node', '../tensors/dtype.js', '../graph/onnx.js'],
    refused: ['../engine/engine.js', '../checkpoint/lock.js'],
  },
  {
    file: 'src/db/migrations/first.ts',
    allowed: ['kysely', '../schema.js'],
    refused: ['../../judge/judge.js', '../../engine/engine.js', '../../text/text.js', 'fastify'],
  },
  {
    file: 'src/engine/child.ts',
    allowed: ['../runtime/session.js', '../graph/compile.js', './messages.js'],
    refused: [
      '../judge/judge.js',
      '../db/database.js',
      'onnxruntime-node',
      '@huggingface/tokenizers',
      '../../routes/nli.js',
    ],
  },
  {
    file: 'src/evaluation/gate.ts',
    allowed: ['./report.js', '../labels.js', 'node:crypto'],
    refused: ['../db/database.js', '../engine/engine.js', '../compare/compare.js', 'kysely', 'typebox'],
  },
  {
    file: 'src/pages/page.ts',
    allowed: ['./style.js', '../evaluation/report.js', '../compare/compare.js', '../judge/judge.js'],
    refused: ['../db/database.js', '../engine/engine.js', '../../routes/nli.js', 'fastify'],
  },
  {
    file: 'src/training/child.ts',
    allowed: [
      '../runtime/session.js',
      '../graph/training.js',
      '../recipe.js',
      '../checkpoint/head.js',
      './messages.js',
    ],
    refused: [
      '../train/train.js',
      '../db/database.js',
      '../../adapters/format.js',
      'onnxruntime-node',
      '../engine/engine.js',
    ],
  },
  {
    file: 'src/recipe.ts',
    allowed: ['./errors.js'],
    refused: ['./train/train.js', './training/supervisor.js', '../schemas/training-runs.js', 'typebox'],
  },
  {
    file: 'adapters/peft.ts',
    allowed: ['../src/db/database.js', '../src/tensors/safetensors.js', '../src/errors.js', '../src/failpoints.js'],
    refused: ['../src/engine/engine.js', '../src/judge/judge.js', '../routes/nli.js'],
  },
  {
    file: 'src/registry.ts',
    allowed: ['./engine/engine.js', './text/text.js', './db/database.js', '../adapters/registry.js'],
    refused: [
      '../routes/nli.js',
      '../schemas/nli.js',
      './app.js',
      './cli/program.js',
      'fastify',
      '@fastify/helmet',
      'better-sqlite3',
      'kysely',
    ],
  },
  {
    file: 'src/promote/promote.ts',
    allowed: [
      './alias.js',
      '../engine/engine.js',
      '../text/text.js',
      '../db/database.js',
      '../../adapters/registry.js',
    ],
    refused: [
      '../../routes/nli.js',
      '../../schemas/nli.js',
      '../app.js',
      '../cli/program.js',
      'fastify',
      '@fastify/helmet',
      'better-sqlite3',
      'kysely',
    ],
  },
  {
    file: 'src/judge/judge.ts',
    allowed: ['./rows.js', '../engine/engine.js', '../text/text.js', '../db/database.js', '../../adapters/registry.js'],
    refused: [
      '../../routes/nli.js',
      '../../schemas/nli.js',
      '../app.js',
      '../cli/program.js',
      'fastify',
      '@fastify/helmet',
      'better-sqlite3',
      'kysely',
    ],
  },
  {
    file: 'src/training-data/prepare.ts',
    allowed: ['./sift.js', '../db/training-data.js', '../evaluation/split.js', '../recipe.js'],
    refused: ['../../routes/readiness.js', '../../schemas/readiness.js', '../app.js', '../cli/program.js', 'kysely'],
  },
  {
    file: 'schemas/nli.ts',
    allowed: ['typebox', 'typebox/value', './common.js', '../src/labels.js', '../src/errors.js'],
    refused: ['../src/judge/judge.js', '../src/config.js', '../routes/nli.js', 'fastify', 'undici'],
  },
  {
    file: 'routes/nli.ts',
    allowed: [
      'fastify',
      '@fastify/type-provider-typebox',
      '../schemas/nli.js',
      '../src/judge/judge.js',
      './failure.js',
    ],
    refused: [
      '../src/app.js',
      '../src/main.js',
      '../src/cli/program.js',
      '../src/graph/compile.js',
      '../src/runtime/session.js',
      'kysely',
      'onnxruntime-node',
    ],
  },
  {
    file: 'src/cli/commands/serve.ts',
    allowed: ['commander', '../../app.js', '../../models/pull.js', '../../../client/client.js'],
    refused: ['better-sqlite3', '@huggingface/hub', 'onnxruntime-node', 'openapi-fetch', '../../../client/errors.js'],
  },
  {
    file: 'client/client.ts',
    allowed: ['openapi-fetch', './errors.js'],
    refused: ['../src/errors.js', 'node:fs', 'undici'],
  },
  {
    file: 'demo/demo.ts',
    allowed: ['node:util', './table.js', '../client/client.js'],
    refused: ['../src/serve.js', '../client/errors.js', 'openapi-fetch', 'commander'],
  },
  {
    file: 'src/app.ts',
    allowed: ['fastify', '@fastify/swagger', '../routes/index.js', './db/database.js', 'yaml'],
    refused: ['kysely', 'onnxruntime-node', '@huggingface/tokenizers', 'commander'],
  },
];

/** What the linter finds in a house of these files, as `file: import` or `file: rule`, sorted. */
function lint(files: Readonly<Record<string, string>>): string[] {
  const house = mkdtempSync(path.join(tmpdir(), 'house-'));
  try {
    cpSync(path.join(packageRoot, '.oxlintrc.json'), path.join(house, '.oxlintrc.json'));
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(house, file)), { recursive: true });
      writeFileSync(path.join(house, file), text);
    }
    const { stdout } = spawnSync(process.execPath, [OXLINT, '--format', 'json'], { cwd: house, encoding: 'utf8' });
    return (JSON.parse(stdout) as { diagnostics: Diagnostic[] }).diagnostics.map(told).sort();
  } finally {
    rmSync(house, { recursive: true });
  }
}

interface Diagnostic {
  readonly code: string;
  readonly message: string;
  readonly filename: string;
}

/** Names the import where there is one, else the rule. */
function told({ code, message, filename }: Diagnostic): string {
  const quoted = /^'(.+)' import is restricted/.exec(message)?.[1];
  return `${filename}: ${quoted ?? code}`;
}

t.test('imports from higher floors and of packages that live elsewhere are refused, all others are not', async (t) => {
  const line = (name: string): string => `export * from '${name}';\n`;
  const plant = ({ file, allowed, refused }: Imports): [string, string] => [
    file,
    [...allowed, ...refused].map(line).join(''),
  ];
  const found = lint(Object.fromEntries(HOUSE.map(plant)));
  t.strictSame(
    found.filter((one) => !one.endsWith('import(no-cycle)')),
    HOUSE.flatMap(({ file, refused }) => refused.map((name) => `${file}: ${name}`)).sort(),
  );
});

t.test('a type, a lazy import and a default import are imports too', async (t) => {
  const found = lint({
    'src/graph/a.ts': "import type { Engine } from '../engine/engine.js';\nexport type A = Engine;\n",
    'src/graph/b.ts': "export const b = () => import('../engine/engine.js');\n",
    'src/graph/c.ts': "import ort from 'onnxruntime-node';\nexport const c = ort;\n",
  });
  t.strictSame(found, [
    'src/graph/a.ts: ../engine/engine.js',
    'src/graph/b.ts: ../engine/engine.js',
    'src/graph/c.ts: onnxruntime-node',
  ]);
});

t.test('a circle inside a folder is refused', async (t) => {
  const found = lint({
    'src/graph/a.ts': "import { b } from './b.js';\nexport const a = (): number => b();\n",
    'src/graph/b.ts': "import { a } from './a.js';\nexport const b = (): number => a();\n",
  });
  t.strictSame(found, ['src/graph/a.ts: import(no-cycle)', 'src/graph/b.ts: import(no-cycle)']);
});
