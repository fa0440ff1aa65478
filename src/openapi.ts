/** openapi.yaml from the routes: `node dist/src/openapi.js` prints it, `--write` writes it. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { argv, stdout } from 'node:process';
import { pathToFileURL } from 'node:url';
import { stringify } from 'yaml';
import { buildApp, type Dependencies } from './app.js';
import { packageRoot } from './package.js';

/** The document as YAML. */
export async function openApiYaml(): Promise<string> {
  const app = await buildApp(describedOnly);
  await app.ready();
  // JSON first: what is undefined is left out, and no YAML aliases arise from objects used twice.
  const document: unknown = JSON.parse(JSON.stringify(app.swagger()));
  await app.close();
  return stringify(document, { lineWidth: 120, aliasDuplicateObjects: false });
}

/** Routes are described without being called. */
const uncalled = (): never => {
  throw new Error('an app that describes itself serves nothing');
};

const describedOnly: Dependencies = {
  access: { principal: uncalled },
  auditLog: uncalled,
  judge: { judge: uncalled, refuseHopeless: uncalled },
  engine: { status: uncalled, warmUp: uncalled },
  recording: uncalled,
  embedding: null,
  checkpoint: uncalled,
  modules: uncalled,
  activeAdapter: uncalled,
  predictions: { list: uncalled, get: uncalled },
  corrections: {
    correct: uncalled,
    store: uncalled,
    withdraw: uncalled,
    onStored: uncalled,
    list: uncalled,
    get: uncalled,
    all: uncalled,
  },
  readiness: uncalled,
  registry: {
    active: uncalled,
    etag: uncalled,
    list: uncalled,
    get: uncalled,
    history: uncalled,
    import: uncalled,
    file: uncalled,
    promote: uncalled,
    rollback: uncalled,
  },
  adapterBytes: 1,
  erase: uncalled,
  erasures: uncalled,
  webhooks: { list: uncalled, replay: uncalled },
  training: { start: uncalled, cancel: uncalled, get: uncalled, list: uncalled, events: uncalled },
  liveShadow: { get: uncalled, set: uncalled },
  comparisons: { start: uncalled, list: uncalled, get: uncalled },
  metrics: {
    observeRequest: uncalled,
    countPairs: uncalled,
    countRecordFailures: uncalled,
    countShadow: uncalled,
    expose: uncalled,
    close: () => undefined,
  },
};

if (argv[1] !== undefined && import.meta.url === pathToFileURL(argv[1]).href) {
  const yaml = await openApiYaml();
  if (argv.includes('--write')) await writeFile(path.join(packageRoot, 'openapi.yaml'), yaml);
  else stdout.write(yaml);
}
