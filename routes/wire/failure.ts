/** Every error → application/problem+json. */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { problemType, type Problem as ProblemBody } from '../../schemas/problems.js';
import { Problem, PROBLEMS } from '../../src/errors.js';
import { LIMITS } from '../../src/limits.js';
import { invalidRequest } from './invalid.js';

/** Read of a body that is too large before it is answered, so that the client is done sending and can read the answer. */
const DRAIN_BYTES = 32 * 1024 * 1024;

type Members = Readonly<Record<string, unknown>>;

/** An error handler; `members` adds to the problem what the clients of a route look for. */
export function answerProblem(members?: (problem: ProblemBody) => Members) {
  return async (error: FastifyError, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const problem = toProblem(error, request);
    if (problem.isFault && !reply.raw.destroyed)
      request.log.error({ err: problem.cause ?? error, route: request.routeOptions.url }, problem.code);
    if (problem.status === 413) await drained(request.raw);
    const retryAfter = problem.retryAfter ?? (problem.status === 429 || problem.status === 503 ? 1 : undefined);
    if (retryAfter !== undefined) reply.header('retry-after', Math.ceil(retryAfter));
    const body = problemBody(problem);
    return reply
      .code(problem.status)
      .type('application/problem+json')
      .send(JSON.stringify(members === undefined ? body : { ...members(body), ...body }));
  };
}

export function problemBody({ code, message, errors, isFault }: Problem): ProblemBody {
  const { status, title } = PROBLEMS[code];
  return { type: problemType(code), title, status, detail: isFault ? title : message, errors: [...errors] };
}

function toProblem(error: FastifyError, request: FastifyRequest): Problem {
  if (error instanceof Problem) return error;
  if (error.validation !== undefined) return invalidRequest(error.validation, error.validationContext ?? 'request');
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new Problem(
        'too-large',
        `the body is larger than ${request.routeOptions.bodyLimit ?? LIMITS.body_bytes} bytes`,
      );
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new Problem('unsupported-media-type', 'send the body as application/json');
    case 'FST_ERR_BAD_URL':
      return new Problem('invalid-request', 'the path is not a valid URL');
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new Problem('not-found', 'there is nothing at this path');
  }
  const refused = error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500;
  return refused
    ? new Problem('invalid-request', 'the request could not be read')
    : new Problem('internal', 'unexpected', { cause: error });
}

/** Resolves when the rest of the request has been read and thrown away, at most DRAIN_BYTES of it. */
function drained(request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    if (request.complete || request.destroyed) return resolve();
    let read = 0;
    request.on('data', (chunk: Buffer) => {
      read += chunk.length;
      if (read > DRAIN_BYTES) resolve();
    });
    request.once('end', resolve).once('close', resolve).resume();
  });
}

const CLIENT_ERRORS: Readonly<Record<string, readonly [number, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout'],
};

/** What is no HTTP at all, too long in its headers or too slow: answered on the bare socket. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const [status, title] = CLIENT_ERRORS[error.code ?? ''] ?? [400, 'Bad Request'];
  const body = JSON.stringify({ type: 'about:blank', title, status, detail: title, errors: [] });
  const head = `HTTP/1.1 ${status} ${title}\r\ncontent-type: application/problem+json\r\ncontent-length: ${body.length}`;
  socket.end(`${head}\r\nconnection: close\r\n\r\n${body}`);
}
