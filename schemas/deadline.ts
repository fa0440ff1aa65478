import Type from 'typebox';
import { DEADLINE_MS } from '../src/limits.js';

export const DEADLINE_HEADER = 'x-errata-deadline-ms';

export const DeadlineHeaders = Type.Object({
  [DEADLINE_HEADER]: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: DEADLINE_MS.most,
      default: DEADLINE_MS.usual,
      description:
        'Milliseconds after which the answer is worth nothing any more, from when the head of the request is read. It covers reading, encoding, waiting, judging and recording. What could not be done by then as things stand is refused at once (429); what turns out late is not computed, and answered 503 (`/problems#deadline`).',
    }),
  ),
});
