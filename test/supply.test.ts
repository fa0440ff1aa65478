/** What is installed, what of it runs code of its own, and what the image is made of. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { packageRoot } from '../src/package.js';

t.setTimeout(120_000);
const read = (name: string): string => readFileSync(path.join(packageRoot, name), 'utf8');

interface Locked {
  readonly hasInstallScript?: true;
  readonly integrity?: string;
  readonly inBundle?: true;
}

const locked = Object.entries((JSON.parse(read('package-lock.json')) as { packages: Record<string, Locked> }).packages);

interface Outcome {
  readonly code: number | null;
  readonly text: string;
}

async function run(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  const child = spawn(command, args, { cwd: packageRoot, env: { ...process.env, NODE_OPTIONS: '', ...env } });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, text };
}

t.test('two packages have install scripts; npm runs neither, and setup builds one of them by name', async (t) => {
  const scripted = locked.filter(([, { hasInstallScript }]) => hasInstallScript).map(([name]) => name);
  t.strictSame(scripted, ['node_modules/better-sqlite3', 'node_modules/onnxruntime-node']);
  t.match((await run('npm', ['config', 'get', 'ignore-scripts'])).text, /^true$/m);
  const own = Object.keys((JSON.parse(read('package.json')) as { scripts: object }).scripts);
  t.strictSame(
    own.filter((name) => /^(?:pre|post)?(?:install|prepare|prepublish)$/.test(name)),
    [],
  );
  const built = [...read('scripts/setup.mjs').matchAll(/require\.resolve\('([^']+)\/package\.json'\)/g)];
  t.strictSame(
    built.map(([, name]) => name),
    ['better-sqlite3'],
  );
});

t.test('a native module that was built but does not load is told with its reason', async (t) => {
  const directory = t.testdir({
    'setup.mjs': read('scripts/setup.mjs'),
    node_modules: {
      'better-sqlite3': { 'package.json': '{}', 'index.js': "throw new Error('built for another system');" },
      'node-gyp': { 'package.json': '{}', bin: { 'node-gyp.js': '' } },
    },
  });
  const { code, text } = await run(process.execPath, [path.join(directory, 'setup.mjs')]);
  t.equal(code, 1);
  t.match(text, /does not load yet: built for another system/);
  t.match(text, /was built but does not load[^]*cause\]: Error: built for another system/);
});

t.test('every package is locked to its content', async (t) => {
  const loose = locked.filter(
    ([name, { integrity, inBundle }]) => name !== '' && !inBundle && !integrity?.startsWith('sha512-'),
  );
  t.strictSame(
    loose.map(([name]) => name),
    [],
  );
  t.ok(locked.length > 100);
});

/** A registry that answers audits with `answer`; npm asks it as it asks any. */
async function registry(t: Test, answer: (name: string) => readonly [number, object]): Promise<string> {
  const server = createServer((request, reply) => {
    const [status, body] = answer(request.url ?? '');
    request
      .resume()
      .on('end', () => reply.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

const advisory = (severity: string) => ({
  fastify: [{ id: 1, url: 'https://example.org/1', title: 'A hole', severity, vulnerable_versions: '<99' }],
});
const versions = {
  name: 'fastify',
  'dist-tags': { latest: '5.0.0' },
  versions: { '5.0.0': { name: 'fastify', version: '5.0.0' } },
};

const AUDITS: readonly (readonly [string, number, object, number, RegExp])[] = [
  ['nothing known', 200, {}, 0, /0 known, 0 of them high/],
  ['a moderate one', 200, advisory('moderate'), 0, /moderate: fastify/],
  ['a critical one', 200, advisory('critical'), 1, /critical: fastify/],
  ['no audits there', 405, {}, 77, /skipped, the registry offers none/],
];

t.test('the audit fails for what is high or critical, and says when it could not look', async (t) => {
  for (const [name, status, body, code, said] of AUDITS) {
    const url = await registry(t, (asked) => (asked.includes('advisories') ? [status, body] : [200, versions]));
    const outcome = await run(process.execPath, ['scripts/audit.mjs'], {
      npm_config_registry: url,
      npm_config_fetch_retries: '0',
      npm_config_cache: path.join(t.testdir(), 'npm'),
    });
    t.match(outcome, { code, text: said }, name);
  }
});

interface Component {
  readonly 'bom-ref': string;
  readonly scope: string;
}

t.test(
  'the bill of materials lists what the service runs with as required, and tools of its making as optional',
  async (t) => {
    const { code, text } = await run('npm', ['run', '-s', 'sbom']);
    t.equal(code, 0);
    const bom = JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1)) as {
      bomFormat: string;
      components: Component[];
    };
    t.equal(bom.bomFormat, 'CycloneDX');
    const scopes = Object.fromEntries(bom.components.map((component) => [component['bom-ref'], component.scope]));
    const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<
      string,
      Record<string, string>
    >;
    for (const [name, version] of Object.entries(dependencies ?? {}))
      t.equal(scopes[`${name}@${version}`], 'required', name);
    t.equal(scopes[`tap@${devDependencies?.['tap']}`], 'optional');
  },
);

t.test('only the binary of this platform is left of onnxruntime', async (t) => {
  const modules = t.testdir();
  const root = path.join(modules, 'onnxruntime-node', 'bin', 'napi-v6');
  const own = path.join(process.platform, process.arch);
  for (const folder of [own, path.join(process.platform, 'mips'), path.join('elsewhere', 'x64')]) {
    mkdirSync(path.join(root, folder), { recursive: true });
    writeFileSync(path.join(root, folder, 'a.node'), '');
  }
  t.equal((await run(process.execPath, ['scripts/prune-platforms.mjs', modules])).code, 0);
  t.strictSame(readdirSync(root), [process.platform]);
  t.strictSame(readdirSync(path.join(root, process.platform)), [process.arch]);
  t.ok(existsSync(path.join(root, own, 'a.node')));
  t.ok(
    existsSync(path.join(packageRoot, 'node_modules', 'onnxruntime-node', 'bin', 'napi-v6', own)),
    'npm lays it out so',
  );
});

/** The instructions of the last stage, continued lines joined. */
function lastStage(): (readonly [instruction: string, words: string])[] {
  const lines = read('Dockerfile')
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n');
  const all = lines
    .filter((line) => line !== '')
    .map((line) => [line.split(' ', 1)[0] ?? '', line.replace(/^\w+ /, '')] as const);
  return all.slice(all.findLastIndex(([name]) => name === 'FROM'));
}

const of = (instruction: string): string[] =>
  lastStage().flatMap(([name, words]) => (name === instruction ? [words] : []));

t.test('the image runs as node, keeps its data in /data, and takes only what was built', async (t) => {
  t.strictSame(of('USER'), ['node']);
  t.strictSame(of('VOLUME'), ['/data']);
  t.strictSame(of('ENTRYPOINT'), ['["node", "/app/dist/src/main.js"]']);
  t.match(of('ENV')[0], /ERRATA_DATA_DIR=\/data SQLITE_TMPDIR=\/data$/);
  t.ok(of('COPY').every((words) => words.startsWith('--from=build /app/')));
  t.strictSame(of('ADD'), []);
  const taken = of('COPY').flatMap((words) => words.match(/\/app\/[\w.-]+/g) ?? []);
  for (const file of taken)
    if (!/node_modules|dist/.test(file)) t.ok(existsSync(path.join(packageRoot, file.slice('/app/'.length))), file);
  const order = lastStage().map(([name]) => name);
  t.ok(order.indexOf('USER') > order.lastIndexOf('RUN'));
  const ignored = read('.dockerignore').split('\n');
  for (const name of ['.git', 'data', 'node_modules', '.env']) t.ok(ignored.includes(name), name);
});

t.test("the image's health check is healthy where live answers, and only there", async (t) => {
  const [words = ''] = of('HEALTHCHECK');
  const [command = '', ...args] = JSON.parse(words.slice(words.indexOf('['))) as string[];
  t.equal(command, 'node');
  const url = await registry(t, (asked) => [asked === '/health/live' ? 200 : 404, {}]);
  const broken = await registry(t, () => [503, {}]);
  const check = (address: string) => run(process.execPath, args, { ERRATA_PORT: new URL(address).port });
  t.equal((await check(url)).code, 0);
  t.equal((await check(broken)).code, 1);
  t.equal((await check('http://127.0.0.1:9/')).code, 1);
});

t.test(
  'the service of compose.yaml has a read-only root, no capabilities, and is reached from this machine only',
  async (t) => {
    const { services, volumes } = parse(read('compose.yaml')) as { services: Record<string, unknown>; volumes: object };
    t.match(services['errata'], {
      build: '.',
      init: true,
      read_only: true,
      user: 'node',
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      volumes: ['data:/data'],
      ports: [/^127\.0\.0\.1:8100:8100$/],
      stop_grace_period: '30s',
    });
    t.strictSame(Object.keys(volumes), ['data']);
  },
);
