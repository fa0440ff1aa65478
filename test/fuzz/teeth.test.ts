/** The fuzzer finds what is planted for it, and nothing where nothing is. */
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { setTimeout as sleep } from 'node:timers/promises';
import { fuzzOperation, type Tally } from './fuzz.js';
import { createClient } from './http.js';
import { type Document, operationsOf } from './operations.js';
import { createJudge } from './verdict.js';

const problem = {
  type: 'object',
  required: ['type', 'detail', 'errors'],
  properties: { type: { type: 'string' }, detail: { type: 'string' }, errors: { type: 'array' } },
};
const json = (schema: object, type = 'application/json') => ({ content: { [type]: { schema } } });

/** POST /things/{id} as many services have it. */
const DOCUMENT = {
  components: {},
  paths: {
    '/things/{id}': {
      post: {
        operationId: 'change',
        parameters: [
          { in: 'path', name: 'id', required: true, schema: { type: 'string', pattern: '^[a-z0-9]{1,8}$' } },
          { in: 'query', name: 'limit', schema: { type: 'integer', minimum: 1, maximum: 200 } },
        ],
        requestBody: json({
          type: 'object',
          required: ['name', 'size'],
          properties: { name: { type: 'string' }, size: { type: 'number', minimum: 0, maximum: 1 } },
        }),
        responses: {
          200: json({ type: 'object', required: ['size'], properties: { size: { type: 'number', maximum: 1 } } }),
          400: json(problem, 'application/problem+json'),
          404: json(problem, 'application/problem+json'),
          413: json(problem, 'application/problem+json'),
          415: json(problem, 'application/problem+json'),
        },
      },
    },
  },
} satisfies Document;

interface Sent {
  readonly name: string;
  readonly size: number;
}

type Handler = (sent: Sent, query: Readonly<Record<string, unknown>>) => unknown;

const told = (code: string, detail: string, errors: readonly unknown[] = [{ pointer: '/name', detail }]) => ({
  type: `/problems#${code}`,
  detail,
  errors,
});

/** A service without a fault but the handler's. */
function serviceOf(handler: Handler): FastifyInstance {
  const app = Fastify({
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
    routerOptions: { maxParamLength: 10_000 },
    frameworkErrors: (_error, _request, reply) => refuse(reply, 400, told('invalid-request', 'the path')),
  });
  app.setNotFoundHandler((_request, reply) => refuse(reply, 404, told('not-found', 'there is no such path')));
  app.setErrorHandler<{ statusCode?: number }>((error, _request, reply) =>
    refuse(reply, error.statusCode ?? 500, told('invalid-request', 'the body')),
  );
  app.route({
    method: 'POST',
    url: '/things/:id',
    schema: { body: DOCUMENT.paths['/things/{id}'].post.requestBody.content['application/json']?.schema },
    handler: async ({ body, query }, reply) => {
      const answer = await handler(body as Sent, query as Record<string, unknown>);
      return answer instanceof Refused ? refuse(reply, answer.status, answer.body) : answer;
    },
  });
  return app;
}

class Refused {
  readonly status: number;
  readonly body: unknown;

  constructor(status: number, body: unknown) {
    this.status = status;
    this.body = body;
  }
}

const refuse = (reply: FastifyReply, status: number, body: unknown) =>
  reply.code(status).type('application/problem+json').send(JSON.stringify(body));

async function fuzzed(t: Test, handler: Handler): Promise<Tally> {
  const app = serviceOf(handler);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const client = createClient(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`, 300);
  t.teardown(async () => {
    client.close();
    app.server.closeAllConnections();
    await app.close();
  });
  const [operation] = operationsOf(DOCUMENT);
  const judge = createJudge(DOCUMENT.components, ['/home/somebody']);
  const source = () => ({ components: DOCUMENT.components, known: {} });
  return fuzzOperation(operation!, { client, judge, source, seed: 7, cases: 200 });
}

const fine = ({ size }: Sent) => ({ size });
const broken = (): never => {
  throw new Error('planted');
};

t.test('a service that is as it says passes', async (t) => {
  const { fault, valid, hostile } = await fuzzed(t, fine);
  t.equal(fault, null);
  t.strictSame(valid, { 200: 100 });
  t.ok((hostile[400] ?? 0) > 20 && (hostile[200] ?? 0) > 5, JSON.stringify(hostile));
});

const PLANTED: readonly (readonly [string, Handler, RegExp])[] = [
  ['a 500 for one text of many', (sent) => (sent.name === '__proto__' ? broken() : fine(sent)), /^change: 500/],
  ['a 500 at a limit', (sent) => (sent.size === 1 ? broken() : fine(sent)), /^change: 500/],
  ['a 500 for a query nobody declared', (sent, query) => ('limit[a]' in query ? broken() : fine(sent)), /^change: 500/],
  [
    'a 500 for a parameter that stands twice',
    (sent, { limit }) => (Array.isArray(limit) ? broken() : fine(sent)),
    /change: 500/,
  ],
  ['a member that is missing', ({ size }) => (size < 0.5 ? {} : { size }), /200 breaks its schema/],
  ['a number out of its range', ({ size }) => ({ size: size === 0 ? 2 : size }), /200 breaks its schema/],
  [
    'a status that is not declared',
    (sent) => (sent.name === '' ? new Refused(418, {}) : fine(sent)),
    /418 is not decl/,
  ],
  ['a media type that is not declared', () => 'plain', /200 is not declared as text\/plain/],
  ['an error that names nothing', () => new Refused(400, told('invalid-request', 'no', [])), /names nothing/],
  ['an error with a stack', () => new Refused(400, told('x', new TypeError('x').stack ?? '')), /tells of its inside/],
  ['an error with a path', () => new Refused(400, told('x', 'no /home/somebody/x')), /tells of its inside/],
  [
    'an error that gives back what it was sent',
    ({ name }) => new Refused(400, told('x', name.repeat(999))),
    /of error/,
  ],
  [
    'an answer that never comes',
    (sent) => (sent.name.includes('\0') ? sleep(5000, {}) : fine(sent)),
    /no whole answer/,
  ],
];

t.test('found is', async (t) => {
  for (const [name, handler, message] of PLANTED) {
    const { fault } = await fuzzed(t, handler);
    t.match(fault, message, name);
    t.match(
      fault,
      /\nPOST \/things\/[^]*again: FUZZ_SEED=7 FUZZ_ONLY=change/,
      `${name}, told so that it can be sent again`,
    );
  }
});

t.test('a seed gives the same requests again', async (t) => {
  const bodies: unknown[][] = [[], []];
  for (const seen of bodies)
    await fuzzed(t, (sent) => {
      seen.push(sent);
      return fine(sent);
    });
  t.ok(bodies[0]!.length > 100);
  t.strictSame(bodies[0], bodies[1]);
});
