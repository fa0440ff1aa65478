import t from 'tap';
import { get, serve } from '../support/serve.js';

t.test('the documentation comes from this server alone', async (t) => {
  const { url } = await serve(t);
  const page = await get(`${url}/docs/`);
  t.equal(page.status, 200);
  t.notMatch(page.body, /https?:\/\//, 'nothing is loaded from elsewhere');
  t.match(page.headers.get('content-security-policy'), /default-src 'none'.*script-src 'self'/);
  t.notMatch(page.headers.get('content-security-policy'), /upgrade-insecure-requests/, 'which speaks plain HTTP');
  t.equal((await get(`${url}/docs/static/swagger-ui-bundle.js`)).status, 200);
  t.match((await get(`${url}/docs/json`)).body, { openapi: '3.1.0', paths: { '/nli': {} }, servers: [{ url: '/' }] });
});

t.test('every type of problem is listed', async (t) => {
  const { url } = await serve(t);
  const { body } = await get(`${url}/problems`);
  const { items } = body as { items: { type: string; status: number }[] };
  t.ok(items.some(({ type, status }) => type === '/problems#queue-full' && status === 429));
});
