/** All that crosses between the threads of src/db. Each request is answered once, by its id. */
import type { FieldError, ProblemCode } from '../errors.js';

export type Role = 'writer' | 'reader';

/** The first request to every worker: which file, to do what. */
export interface OpenRequest {
  readonly kind: 'open';
  readonly role: Role;
  readonly file: string;
  /** How long another process's lock is waited for, in milliseconds. */
  readonly busy_timeout_ms: number;
  /** A stream that is not read for so long is closed, in milliseconds. */
  readonly stream_idle_ms: number;
}

/** A unit of work, by its name in the units table; only the writer takes it. */
export interface UnitRequest {
  readonly kind: 'unit';
  readonly name: string;
  readonly input: unknown;
}

/** Rids the file of what was deleted; only the writer takes it. Answered with whether the log beside it is empty now. */
export interface RewriteRequest {
  readonly kind: 'rewrite';
  /** False: only the log is emptied. */
  readonly pages: boolean;
}

/** A compiled query that writes nothing; only the reader takes it and the streams. */
export interface QueryRequest {
  readonly kind: 'query';
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** Answered with the stream's number. */
export interface OpenStreamRequest {
  readonly kind: 'open-stream';
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** Answered with the next rows, at most `rows` of them; none: the end. */
export interface ReadStreamRequest {
  readonly kind: 'read-stream';
  readonly stream: number;
  readonly rows: number;
}

export interface CloseStreamRequest {
  readonly kind: 'close-stream';
  readonly stream: number;
}

/** Answered after everything asked before; the worker ends by itself then. */
export interface CloseRequest {
  readonly kind: 'close';
}

export type Request =
  | OpenRequest
  | UnitRequest
  | RewriteRequest
  | QueryRequest
  | OpenStreamRequest
  | ReadStreamRequest
  | CloseStreamRequest
  | CloseRequest;

export interface Envelope {
  readonly id: number;
  readonly request: Request;
}

export type Failure =
  | {
      readonly kind: 'problem';
      readonly code: ProblemCode;
      readonly message: string;
      readonly errors: readonly FieldError[];
      readonly retryAfter?: number;
    }
  | { readonly kind: 'error'; readonly message: string; readonly stack?: string };

export type Reply =
  | { readonly id: number; readonly ok: true; readonly output: unknown }
  | { readonly id: number; readonly ok: false; readonly failure: Failure };

/** What a worker posts: the answers of one group commit together, any other answer alone. */
export interface Replies {
  readonly replies: readonly Reply[];
  /** True when one transaction carried all of them. */
  readonly group: boolean;
  /** Why nothing is written any more until the process starts anew; null while writing goes on. */
  readonly stopped: string | null;
}
