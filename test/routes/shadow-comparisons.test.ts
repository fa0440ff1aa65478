import t, { type Test } from 'tap';
import type { Comparison, ComparisonItem } from '../../src/compare/item.js';
import { Problem } from '../../src/errors.js';
import { BOOTSTRAP } from '../../src/evaluation/bootstrap.js';
import { contractFault } from '../support/contract.js';
import { comparisonOf } from '../support/comparison.js';
import { ADAPTER, get, post, serve } from '../support/serve.js';

const item: ComparisonItem = (({ report: _report, ...rest }: Comparison) => rest)(await comparisonOf([]));
const queued: ComparisonItem = { ...item, state: 'queued', verdict: null, recommend_deploy: null, ended_at: null };
const missing = async (): Promise<never> => {
  throw new Problem('not-found', 'there is no shadow comparison of this id');
};

async function conforms(test: Test, operation: string, answer: Parameters<typeof contractFault>[1]): Promise<void> {
  test.equal(contractFault(operation, answer), undefined);
}

t.test('a comparison is started against the active adapter unless told otherwise', async (t) => {
  const asked: unknown[] = [];
  const start = async (request: unknown) => {
    asked.push(request);
    return queued;
  };
  const { url } = await serve(t, { comparisons: { start } });
  const answer = await post(`${url}/shadow-comparisons`, { adapter: 'v2' });
  t.match(answer, { status: 202, body: { id: item.id, state: 'queued' } });
  t.equal(answer.headers.get('location'), `/shadow-comparisons/${item.id}`);
  await conforms(t, 'startShadowComparison', answer);
  await post(`${url}/shadow-comparisons`, { adapter: 'v2', against: 'base' });
  t.same(asked, [
    { new: 'v2', old: 'active', by: { actor: 'anonymous', role: 'open' } },
    { new: 'v2', old: 'base', by: { actor: 'anonymous', role: 'open' } },
  ]);
});

t.test('what names no adapter is refused before it is looked up', async (t) => {
  const { url } = await serve(t);
  for (const body of [
    {},
    { adapter: '' },
    { adapter: '../x' },
    { adapter: 'v1', against: 7 },
    { adapter: 'v1', old: 'v2' },
  ]) {
    const answer = await post(`${url}/shadow-comparisons`, body);
    t.equal(answer.status, 400, JSON.stringify(body));
    await conforms(t, 'startShadowComparison', answer);
  }
  const unknown = async (): Promise<never> => {
    throw new Problem('unprocessable', '/adapter names no adapter', {
      errors: [{ pointer: '/adapter', detail: 'names none' }],
    });
  };
  const { url: other } = await serve(t, { comparisons: { start: unknown } });
  const answer = await post(`${other}/shadow-comparisons`, { adapter: 'v9' });
  t.match(answer, { status: 422, body: { errors: [{ pointer: '/adapter' }] } });
});

t.test('a list tells the verdict and the three keys of each', async (t) => {
  const pages: unknown[] = [];
  const list = async (page: unknown) => {
    pages.push(page);
    return { items: [item, queued], next_cursor: 'abc' };
  };
  const { url } = await serve(t, { comparisons: { list } });
  const answer = await get(`${url}/shadow-comparisons?limit=2&cursor=xyz`);
  t.same(answer.body, { items: [item, queued], next_cursor: 'abc' });
  t.same(pages, [{ limit: 2, cursor: 'xyz' }]);
  await conforms(t, 'listShadowComparisons', answer);
  t.equal((await get(`${url}/shadow-comparisons?limit=0`)).status, 400);
});

t.test('a report is answered whole, as it is declared', async (t) => {
  const comparison = await comparisonOf(['fixed', 'broken', 'kept', 'wrong'], { bootstrap: BOOTSTRAP });
  const { url } = await serve(t, { comparisons: { get: async () => comparison } });
  const answer = await get(`${url}/shadow-comparisons/${comparison.id}`);
  t.same(answer.body, JSON.parse(JSON.stringify(comparison)));
  await conforms(t, 'getShadowComparison', answer);
  const { url: waiting } = await serve(t, { comparisons: { get: async () => ({ ...queued, report: null }) } });
  await conforms(t, 'getShadowComparison', await get(`${waiting}/shadow-comparisons/x`));
});

t.test('there is none of this id', async (t) => {
  const { url } = await serve(t, { comparisons: { get: missing } });
  const answer = await get(`${url}/shadow-comparisons/none`);
  t.equal(answer.status, 404);
  await conforms(t, 'getShadowComparison', answer);
});

/** Accept → whether the page is answered. */
const ACCEPT: [string, boolean][] = [
  ['*/*', false],
  ['application/json', false],
  ['text/html', true],
  ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', true],
  ['application/json, text/html', false],
  ['application/json;q=0.5, Text/HTML;q=0.9', true],
  ['text/html;q=0', false],
  ['text/html;q=x', false],
  ['text/*', false],
];

t.test('who asks for HTML by name gets the page, under a policy that lets it load and run nothing', async (t) => {
  const comparison = await comparisonOf(['fixed']);
  const { url } = await serve(t, { comparisons: { get: async () => comparison } });
  for (const [accept, page] of ACCEPT) {
    const { headers } = await fetch(`${url}/shadow-comparisons/x`, { headers: { accept } });
    t.match(headers.get('content-type'), page ? /^text\/html; charset=utf-8$/ : /^application\/json/, accept);
    t.equal(headers.get('vary'), 'accept');
  }
  const { headers } = await fetch(`${url}/shadow-comparisons/x`, { headers: { accept: 'text/html' } });
  t.match(
    headers.get('content-security-policy'),
    /^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
  );
  t.equal(headers.get('x-content-type-options'), 'nosniff');
});

t.test('both adapters are named, null is the base model', async (t) => {
  const comparison = { ...(await comparisonOf([])), new: ADAPTER, old: null };
  const { url } = await serve(t, { comparisons: { get: async () => comparison } });
  t.match((await get(`${url}/shadow-comparisons/x`)).body, { new: ADAPTER, old: null });
});
