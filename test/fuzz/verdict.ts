/** What is wrong with an answer, whatever was asked. */
import { Compile } from 'typebox/schema';
import { packageRoot } from '../../src/package.js';
import type { Reply } from './http.js';
import type { Content, Operation } from './operations.js';

export interface Judge {
  /** Undefined: it is as its operation declares, is no fault of the service and tells nothing of its inside. */
  fault(operation: Operation, reply: Reply): string | undefined;
}

type Check = (value: unknown) => string | undefined;

/** `secrets` are texts that no error may hold: paths of this machine. */
export function createJudge(components: object, secrets: readonly string[]): Judge {
  const checks = new Map<Content, Check>();
  const checkOf = (content: Content): Check => {
    const check = checks.get(content) ?? compiled(content, components);
    checks.set(content, check);
    return check;
  };
  return {
    fault(operation, reply) {
      const { status, body } = reply;
      if (status >= 500 && !ranOut(reply)) return `${status}: ${shown(body)}`;
      return declaredFault(operation, reply, checkOf) ?? (status < 400 ? undefined : errorFault(body, secrets));
    },
  };
}

/** A deadline of a millisecond may be asked for, and is no fault of the service. */
const ranOut = ({ status, body }: Reply): boolean =>
  status === 503 && (parsed(body.toString()) as Told | undefined)?.type === '/problems#deadline';

function compiled({ schema }: Content, components: object): Check {
  const { ...plain } = schema;
  const validator = Compile({ ...plain, components });
  return (value) => {
    const [fits, errors] = validator.Errors(value);
    return fits ? undefined : JSON.stringify(errors.slice(0, 3));
  };
}

function declaredFault(operation: Operation, { status, headers, body }: Reply, checkOf: (content: Content) => Check) {
  const declared = operation.responses[status];
  if (declared === undefined) return `${status} is not declared: ${shown(body)}`;
  if (status === 204) return body.length === 0 ? undefined : '204 has a body';
  const type = headers['content-type']?.split(';')[0] ?? '';
  const content = declared.content?.[type];
  if (content === undefined) return `${status} is not declared as ${type || 'nothing'}`;
  for (const value of valuesOf(type, body)) {
    const fault = value === undefined ? 'it is no JSON' : checkOf(content)(value);
    if (fault !== undefined) return `${status} breaks its schema: ${fault} in ${shown(body)}`;
  }
  return undefined;
}

/** JSON, lines of JSON, or a text. */
function valuesOf(type: string, body: Buffer): unknown[] {
  if (/[/+]json$/.test(type)) return [parsed(body.toString())];
  if (!type.endsWith('ndjson')) return [body.toString('latin1')];
  return body
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map(parsed);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

const INSIDE =
  /\n\s+at |node_modules|node:internal|\/dist\/|\.[jt]s:\d+|SQLITE_|SqliteError|no such column|UNIQUE constraint|\b(?:Type|Range|Reference|Syntax)Error\b|Cannot read prop|is not a function|is not iterable|FST_ERR|ENOENT|EACCES|ECONN/;

interface Told {
  readonly type: string;
  readonly detail: string;
  readonly errors: readonly unknown[];
}

/** Problems of these types are about something in the request, and say what. */
const PLACED = new Set(['/problems#invalid-request', '/problems#too-large', '/problems#unprocessable']);

/** A stranger's text comes back shortened: an error is no copy of the request. */
const LONGEST_ERROR = 4096;

function errorFault(body: Buffer, secrets: readonly string[]): string | undefined {
  if (body.length > LONGEST_ERROR) return `${body.length} bytes of error: ${shown(body)}`;
  const text = body.toString();
  const leak = INSIDE.exec(text)?.[0] ?? [packageRoot, ...secrets].find((secret) => text.includes(secret));
  if (leak !== undefined) return `tells of its inside (${leak}): ${shown(body)}`;
  const { type, detail, errors } = parsed(text) as Told;
  const placed = errors.length > 0 || /\b(?:body|path)\b/.test(detail);
  return placed || !PLACED.has(type) ? undefined : `names nothing in the request: ${shown(body)}`;
}

const shown = (body: Buffer): string => body.toString().slice(0, 500);
