import { readFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import t from 'tap';
import { parse } from 'yaml';
import { openApiYaml } from '../src/openapi.js';
import { openApi, openApiPath } from './support/contract.js';

t.test('openapi.yaml is what the routes say: npm run openapi', async (t) => {
  t.equal(readFileSync(openApiPath, 'utf8'), await openApiYaml());
});

t.test('it is valid OpenAPI 3.1', async (t) => {
  const validator = new Validator();
  const document = parse(await openApiYaml()) as Parameters<typeof validator.validate>[0];
  const { valid, errors } = await validator.validate(document);
  t.strictSame({ valid, errors }, { valid: true, errors: undefined });
  t.equal(validator.version, '3.1');
});

t.test('every operation has its own id and says what its answers are', async (t) => {
  const operations = Object.values(openApi.paths).flatMap((path) => Object.values(path));
  const ids = operations.map(({ operationId }) => operationId);
  t.equal(new Set(ids).size, ids.length);
  for (const { operationId, responses } of operations) {
    t.match(operationId, /^[a-z][A-Za-z]+$/);
    for (const [status, { content }] of Object.entries(responses))
      t.ok(Number(status) < 400 || 'application/problem+json' in content, `${operationId} ${status}`);
  }
});

t.test('what needs a key may fail where the keys are read', async (t) => {
  const keyed = Object.values(openApi.paths)
    .flatMap((path) => Object.values(path))
    .filter(({ responses }) => '401' in responses);
  t.ok(keyed.length > 30);
  for (const { operationId, responses } of keyed)
    t.strictSame(
      ['500', '503'].filter((status) => !(status in responses)),
      [],
      operationId,
    );
});

t.test('components go by their own names', async (t) => {
  const { schemas } = openApi.components as { schemas: object };
  for (const name of Object.keys(schemas)) t.match(name, /^[A-Z][A-Za-z]+$/);
});
