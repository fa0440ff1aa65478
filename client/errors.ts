/** What a call is rejected with. */

/** One fault of a request: a JSON Pointer into its body, or a parameter, and what is wrong there. */
export interface FieldError {
  readonly pointer: string;
  readonly detail: string;
}

interface ProblemFields {
  readonly type?: string;
  readonly title?: string;
  readonly detail?: string;
  readonly errors?: readonly FieldError[];
}

/** The service answered with a problem (RFC 9457). */
export class ErrataError extends Error {
  override readonly name = 'ErrataError';
  readonly status: number;
  /** The problem's identity, for instance `/problems/conflict`; `about:blank` where the answer was no problem. */
  readonly type: string;
  readonly title: string;
  readonly detail: string;
  readonly errors: readonly FieldError[];
  /** Seconds after which it may go better; null where the answer does not say. */
  readonly retryAfter: number | null;

  constructor(status: number, fields: ProblemFields, retryAfter: number | null = null) {
    const { type = 'about:blank', title = `status ${status}`, detail = title, errors = [] } = fields;
    super(detail);
    this.status = status;
    this.type = type;
    this.title = title;
    this.detail = detail;
    this.errors = errors;
    this.retryAfter = retryAfter;
  }
}

/** There was no answer: nothing listens there, or the connection broke. */
export class ErrataUnreachable extends Error {
  override readonly name = 'ErrataUnreachable';

  constructor(url: string, cause: unknown) {
    super(`no answer from ${url}${reasonOf(cause)}`, { cause });
  }
}

/** fetch hides the reason one or two causes deep. */
function reasonOf(error: unknown): string {
  const { code, cause, message } = (error ?? {}) as { code?: unknown; cause?: unknown; message?: unknown };
  if (typeof code === 'string') return ` (${code})`;
  if (cause !== undefined) return reasonOf(cause);
  return typeof message === 'string' ? ` (${message})` : '';
}

/** The error that an answer stands for, whatever its body is. */
export async function errorOf(response: Response): Promise<ErrataError> {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  const text = await response.text().catch(() => '');
  return new ErrataError(response.status, fieldsOf(text, response), Number.isFinite(seconds) ? seconds : null);
}

function fieldsOf(text: string, { status, statusText }: Response): ProblemFields {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null && 'title' in body) return body as ProblemFields;
  } catch {
    // Not from the service itself: a proxy, say.
  }
  return { title: statusText || `status ${status}` };
}
