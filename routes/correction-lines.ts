/** Corrections as JSON Lines, both ways, streamed. */
import { Readable } from 'node:stream';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { Ref } from '../schemas/common.js';
import { CorrectionLine, ImportReport } from '../schemas/corrections.js';
import { Problem as ProblemSchema, problems } from '../schemas/problems.js';
import type { Corrections, Item } from '../src/corrections/correct.js';
import { Problem } from '../src/errors.js';
import { senderOf } from '../src/roles.js';
import { importLines } from '../src/corrections/import.js';
import { LONGEST_BODY_MS } from './wire/body-time.js';
import { readItem, toItem } from './correction-items.js';

export interface CorrectionLinesOptions {
  readonly corrections: Pick<Corrections, 'store'> & {
    /** Every current correction, oldest first. */
    all(): AsyncIterableIterator<object>;
  };
}

const LINES = 'application/x-ndjson';
const LINE_TYPES = [LINES, 'application/jsonl'];

const LINE = Ref(CorrectionLine);

const tags = ['corrections'];

export const correctionLines: FastifyPluginAsyncTypebox<CorrectionLinesOptions> = async (app, { corrections }) => {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(LINE_TYPES, (_request, payload, done) => done(null, payload));
  app.get(
    '/corrections/export',
    {
      config: { roles: ['operator'] },
      schema: {
        operationId: 'exportCorrections',
        summary: 'Every current correction, oldest first, a line each',
        tags,
        response: {
          200: {
            description: 'JSON Lines, as the import takes them.',
            content: { [LINES]: { schema: Ref(CorrectionLine) } },
          },
          ...problems(ProblemSchema, 500),
        },
      },
    },
    async (_request, reply) =>
      reply
        .type(LINES)
        .header('content-disposition', 'attachment; filename="corrections.jsonl"')
        .send(Readable.from(linesOf(corrections.all()), { objectMode: false }) as never),
  );
  app.post(
    '/corrections/import',
    {
      config: { roles: ['operator'], bodyTimeoutMs: LONGEST_BODY_MS },
      schema: {
        operationId: 'importCorrections',
        summary: 'Store corrections from JSON Lines',
        description:
          'A line is what POST /corrections takes, or a row of an export; at most 1 MiB. Each is stored or refused by itself. Sent again it stores nothing twice.',
        tags,
        body: { content: Object.fromEntries(LINE_TYPES.map((type) => [type, { schema: Ref(CorrectionLine) }])) },
        response: {
          200: Ref(ImportReport, 'What became of the lines.'),
          ...problems(ProblemSchema, 400, 415, 429, 500, 503),
        },
      },
      // The body is a stream, its lines are checked one by one.
      attachValidation: true,
    },
    (request) => store(request, corrections),
  );
};

async function store(request: FastifyRequest, corrections: Pick<Corrections, 'store'>): Promise<ImportReport> {
  const { body } = request;
  const read = (value: unknown): Item => toItem(readItem<CorrectionLine>(request, LINE, value));
  if (!(body instanceof Readable)) throw new Problem('invalid-request', 'the body is missing: send JSON Lines');
  const report = await importLines(body, { corrections, sender: senderOf(request.principal), read });
  return { ...report, errors: [...report.errors] };
}

/** Some lines at a time: a write for each would cost more than the rows. */
const LINES_PER_WRITE = 100;

async function* linesOf(rows: AsyncIterable<object>): AsyncGenerator<string> {
  let lines: string[] = [];
  for await (const row of rows) {
    if (lines.push(`${JSON.stringify(row)}\n`) < LINES_PER_WRITE) continue;
    yield lines.join('');
    lines = [];
  }
  if (lines.length > 0) yield lines.join('');
}
