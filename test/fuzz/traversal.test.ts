/** P7: no path leads out of what the service serves. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { packageRoot } from '../../src/package.js';
import { startService } from '../service/service.js';
import { openApi } from '../support/contract.js';
import { createClient } from './http.js';
import { operationsOf } from './operations.js';

t.setTimeout(300_000);

const TARGETS = ['etc/passwd', 'package.json', ''];

const UPS = [
  '../',
  '..%2f',
  '..%2F',
  '%2e%2e/',
  '%2e%2e%2f',
  '%2E%2E%5C',
  '..%5c',
  '..\\',
  '....//',
  '....%2f%2f',
  '..;/',
  '..%00/',
  '..%0d%0a/',
  '%252e%252e%252f',
  '%c0%ae%c0%ae%c0%af',
  '%c0%ae%c0%ae/',
  '%e0%80%ae%e0%80%ae%e0%80%af',
  '%uff0e%uff0e%u2215',
  '..%ef%bc%8f',
  '%u002e%u002e%u002f',
  './',
  '/',
  '//',
  '%2f',
  '%00',
  'file:///',
  '~/',
];

const ATTACKS = [
  ...new Set(UPS.flatMap((up) => [1, 5].flatMap((times) => TARGETS.map((target) => up.repeat(times) + target)))),
];

/** Each parameter of each path, and each path as if it had one more; the pages of the documentation, which are files. */
const PLACES = [
  ...operationsOf(openApi).flatMap(({ method, path: at }) => {
    const names = [...at.matchAll(/\{\w+\}/g)].map(([name]) => name);
    const filled = names.map((name) => at.replace(name, '*').replaceAll(/\{\w+\}/g, 'none'));
    return [...filled, `${at.replaceAll(/\{\w+\}/g, 'none')}/*`].map((place) => ({ method, place }));
  }),
  ...['/*', '/docs/*', '/docs/static/*'].map((place) => ({ method: 'GET', place })),
];

/** What the files have in them that should not be read. */
const CONTENTS = [
  'root:',
  'SQLite format 3',
  (JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8')) as { description: string }).description,
];

/** The document that tells of the service has its description too. */
const TELLS = new Set(['/docs/json', '/docs/yaml']);

t.test(`${ATTACKS.length} ways out of each of ${PLACES.length} places`, async (t) => {
  const { url } = await startService(t, { ERRATA_INFERENCE_CHILDREN: '1', ERRATA_WIDE_SESSION: 'off' });
  const client = createClient(url);
  t.teardown(() => client.close());
  const statuses: Record<number, number> = {};
  const faults: string[] = [];
  for (const { method, place } of PLACES)
    for (const attack of ATTACKS) {
      const at = place.replace('*', attack);
      const { status, headers, body } = await client.send({ method, path: at, headers: {}, body: null });
      statuses[status] = (statuses[status] ?? 0) + 1;
      const text = body.toString('latin1');
      const leak = TELLS.has(at) ? undefined : CONTENTS.find((content) => text.includes(content));
      if (leak !== undefined) faults.push(`${method} ${at}: ${leak}`);
      else if (status >= 500) faults.push(`${method} ${at}: ${status}`);
      else if (status >= 400 && headers['content-type'] !== 'application/problem+json; charset=utf-8')
        faults.push(`${method} ${at}: ${status} as ${headers['content-type']}`);
    }
  t.strictSame(faults.slice(0, 20), []);
  t.comment(JSON.stringify(statuses));
  t.ok((statuses[400] ?? 0) > 100 && (statuses[404] ?? 0) > 100, 'refused by pattern, or not there');
});
