import t from 'tap';
import { Problem } from '../../../src/errors.js';
import { serve } from '../../support/serve.js';

const STRICT = "default-src 'none';base-uri 'none';form-action 'none';frame-ancestors 'none'";

t.test('nothing may be loaded, framed or read by a page of elsewhere, whatever the answer', async (t) => {
  const refuse = { principal: () => Promise.reject(new Problem('unauthorized', 'no')) };
  const { url } = await serve(t, { access: refuse });
  const table: [string, string, number][] = [
    ['GET', '/health', 200],
    ['GET', '/model', 401],
    ['GET', '/nowhere', 404],
    ['OPTIONS', '/nli', 405],
  ];
  for (const [method, path, status] of table) {
    const headers = { origin: 'https://example.org', 'access-control-request-method': 'POST' };
    const response = await fetch(url + path, { method, headers });
    t.equal(response.status, status, path);
    t.equal(response.headers.get('content-security-policy'), STRICT, path);
    t.equal(response.headers.get('x-content-type-options'), 'nosniff', path);
    t.equal(response.headers.get('x-frame-options'), 'DENY', path);
    t.equal(response.headers.get('cross-origin-resource-policy'), 'same-origin', path);
    const cors = [...response.headers.keys()].filter((name) => name.startsWith('access-control-'));
    t.strictSame(cors, [], path);
  }
});
