/** How bodies are read: JSON in UTF-8, nothing else; an empty one is no body. */
import { isUtf8 } from 'node:buffer';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Problem } from '../../src/errors.js';
import { jsonFault } from './json-fault.js';

type Done = (error: Error | null, body?: unknown) => void;

export function readJsonBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done: Done) => {
    const refused = refusal(request, body);
    if (refused !== undefined) return done(refused);
    if (body.length === 0) return done(null, undefined);
    const text = body.toString('utf8');
    return parse(request, text, (error, value: unknown) =>
      done(error === null ? tooDeep(value) : malformed(text), value),
    );
  });
}

function refusal(request: FastifyRequest, body: Buffer): Problem | undefined {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity')
    return new Problem(
      'unsupported-media-type',
      'compressed bodies are not read here: send it without content-encoding',
    );
  const charset = /;\s*charset=\s*"?([^\s";]+)/i.exec(request.headers['content-type'] ?? '')?.[1];
  if (charset !== undefined && charset.toLowerCase() !== 'utf-8')
    return new Problem('unsupported-media-type', 'JSON is read as UTF-8: send application/json in that charset');
  return isUtf8(body) ? undefined : faulty('is not valid UTF-8');
}

function malformed(text: string): Problem {
  const at = jsonFault(text);
  if (at === undefined) return faulty('has a key that no body may have: __proto__ or constructor.prototype');
  const what = at === text.length ? 'ends before the JSON is complete' : 'is not JSON from there on';
  return faulty(`${what}: position ${at} of ${text.length}`);
}

/** The body as a whole: the pointer to it is empty. */
const faulty = (detail: string): Problem =>
  new Problem('invalid-request', `the body ${detail}`, { errors: [{ pointer: '', detail }] });

/** Far above what any schema nests, far below what recursion over a body can bear. */
const MAX_DEPTH = 32;

const isContainer = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** Level by level, since a body of two megabytes can be a million levels deep. */
function tooDeep(body: unknown): Problem | null {
  let level = [body].filter(isContainer);
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth === MAX_DEPTH) return faulty(`is nested deeper than ${MAX_DEPTH} levels`);
    level = level.flatMap((container) => Object.values(container).filter(isContainer));
  }
  return null;
}
