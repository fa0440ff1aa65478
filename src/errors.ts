/** Every error a client can meet, in one table: code → HTTP status and title (RFC 9457 `type` is `/problems#code`). */

export const PROBLEMS = {
  'invalid-request': { status: 400, title: 'The request does not match its schema' },
  unauthorized: { status: 401, title: 'An API key is needed' },
  forbidden: { status: 403, title: 'This key may not do that' },
  'not-found': { status: 404, title: 'There is no such thing' },
  'method-not-allowed': { status: 405, title: 'This path does not take that method' },
  conflict: { status: 409, title: 'The present state does not allow this' },
  'stale-precondition': { status: 412, title: 'Somebody else changed it first' },
  'too-large': { status: 413, title: 'The request is larger than the limit' },
  'unsupported-media-type': { status: 415, title: 'This content type is not read here' },
  unprocessable: { status: 422, title: 'The request is understood but cannot be done' },
  'queue-full': { status: 429, title: 'More work is waiting than can be done in time' },
  'rate-limited': { status: 429, title: 'More was asked than may be asked in a minute' },
  internal: { status: 500, title: 'Something went wrong here' },
  'not-configured': { status: 501, title: 'This service is not configured for that' },
  'upstream-failed': { status: 502, title: 'The server behind this path did not answer as it should' },
  unavailable: { status: 503, title: 'The service cannot answer at the moment' },
  deadline: { status: 503, title: 'The deadline of the request passed before its answer was there' },
  'not-ready': { status: 503, title: 'The service takes no work now' },
  'storage-failed': { status: 503, title: 'The storage failed' },
  'storage-full': { status: 503, title: 'The disk has no space left for this' },
} as const;

export type ProblemCode = keyof typeof PROBLEMS;

/** States that somebody asked about or chose: told as they are, and no fault to be logged. */
const EXPECTED: ReadonlySet<ProblemCode> = new Set(['not-configured', 'not-ready', 'deadline']);

/** One fault inside a request: `pointer` is a JSON pointer into the body, or the name of a query or path parameter. */
export interface FieldError {
  readonly pointer: string;
  readonly detail: string;
}

export interface ProblemExtras {
  readonly errors?: readonly FieldError[];
  /** Seconds, sent as Retry-After. */
  readonly retryAfter?: number;
  readonly cause?: unknown;
}

/** An error with a place in the table. `detail` is told to the client unless it is a fault of the service. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: ProblemCode;
  readonly errors: readonly FieldError[];
  readonly retryAfter: number | undefined;

  constructor(code: ProblemCode, detail: string, extras: ProblemExtras = {}) {
    super(detail, { cause: extras.cause });
    this.code = code;
    this.errors = extras.errors ?? [];
    this.retryAfter = extras.retryAfter;
  }

  /** Whether it is a fault of the service: to be logged, its inside not to be told. */
  get isFault(): boolean {
    return this.status >= 500 && !EXPECTED.has(this.code);
  }

  get status(): number {
    return PROBLEMS[this.code].status;
  }
}

/** The answer is worth nothing any more. */
export const overdue = (): Problem => new Problem('deadline', 'the deadline passed', { retryAfter: 1 });
