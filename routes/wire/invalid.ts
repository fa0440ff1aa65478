/** What the validator found, in words that name the field and the limit. */
import type { FastifySchemaValidationError } from 'fastify';
import { Problem, type FieldError } from '../../src/errors.js';

type Fault = FastifySchemaValidationError;

/** One faulty request → its problem. `context` is the part that was validated: body, querystring, params. */
export function invalidRequest(faults: readonly Fault[], context: string): Problem {
  const fault = faults.at(-1);
  if (fault === undefined) return new Problem('invalid-request', `the ${context} does not match its schema`);
  const path = `${fault.instancePath}${below(fault, faults)}`;
  const pointer = context === 'body' ? path : path.slice(1);
  const detail = `${told(fault, faults)}${context === 'querystring' ? plusHint(fault) : ''}`;
  const error: FieldError = { pointer, detail };
  const code = fault.keyword === 'maxItems' ? 'too-large' : 'invalid-request';
  return new Problem(code, `${pointer === '' ? `the ${context}` : pointer} ${detail}`, { errors: [error] });
}

/** The member that is missing or unknown: the validator points to what should hold it. */
function below(fault: Fault, faults: readonly Fault[]): string {
  const name = fault.params['additionalProperty'] ?? fault.params['missingProperty'] ?? alternatives(fault, faults)[0];
  return typeof name === 'string' ? `/${shortened(name).replaceAll('~', '~0').replaceAll('/', '~1')}` : '';
}

/** The names of unknown members are the client's: an answer does not give megabytes of them back. */
const LONGEST_NAME = 100;

const shortened = (name: string): string => (name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name);

/** Of a `oneOf` between required members: their names. */
function alternatives(fault: Fault, faults: readonly Fault[]): string[] {
  if (fault.keyword !== 'oneOf') return [];
  return faults.flatMap(({ params }) =>
    typeof params['missingProperty'] === 'string' ? [params['missingProperty']] : [],
  );
}

function told(fault: Fault, faults: readonly Fault[]): string {
  const { limit, type, allowedValues } = fault.params as { limit?: number; type?: unknown; allowedValues?: unknown[] };
  switch (fault.keyword) {
    case 'required':
      return 'is missing';
    case 'additionalProperties':
      return 'is not known here';
    case 'type':
      return `must be ${[type].flat().map(article).join(' or ')}`;
    case 'enum':
      return `must be one of ${(allowedValues ?? []).join(', ')}`;
    case 'maxItems':
      return `has too many items: at most ${limit} are taken`;
    case 'minItems':
      return `has too few items: at least ${limit} ${limit === 1 ? 'is' : 'are'} needed`;
    case 'maxLength':
      return `is too long: at most ${limit} characters are taken`;
    case 'minLength':
      return `is too short: at least ${limit === 1 ? '1 character is' : `${limit} characters are`} needed`;
    case 'minimum':
      return `must be at least ${limit}`;
    case 'maximum':
      return `must be at most ${limit}`;
    case 'pattern':
      return patterned(String(fault.params['pattern']));
    case 'format':
      return formatted(String(fault.params['format']));
    case 'oneOf':
      return oneOf(alternatives(fault, faults), given(fault));
    default:
      return fault.message ?? 'does not match its schema';
  }
}

const formatted = (format: string): string =>
  `must be a ${format}${format === 'date-time' ? ' such as 2026-01-31T12:00:00Z' : ''}`;

/** 2026-01-31T12:00:00+01:00, with the plus as it is: what arrives has a space there. */
const SPACE_FOR_PLUS = /[0-9] [0-9]{2}:?[0-9]{2}$/;

function plusHint({ keyword, data }: Fault & { readonly data?: unknown }): string {
  const meant = keyword === 'format' && typeof data === 'string' && SPACE_FOR_PLUS.test(data);
  return meant ? '; in a query + stands for a space: write %2B' : '';
}

const patterned = (pattern: string): string =>
  pattern.includes('\\u0000') ? 'holds a NUL or half of a surrogate pair' : `must match ${pattern}`;

const oneOf = (missing: readonly string[], found: readonly string[]): string =>
  missing.length > 0
    ? `is missing (${missing.join(' or ')})`
    : `has both ${found.join(' and ')}, of which one only may be given`;

/** Of a `oneOf` between required members: those that are there although they exclude each other. */
function given({ params, schema }: Fault & { readonly schema?: unknown }): string[] {
  const branches = schema as readonly { readonly required?: readonly string[] }[] | undefined;
  const passing = (params['passingSchemas'] ?? []) as readonly number[];
  return passing.flatMap((index) => branches?.[index]?.required ?? []);
}

const article = (type: unknown): string =>
  type === 'null' ? 'null' : `${/^[aeiou]/.test(String(type)) ? 'an' : 'a'} ${String(type)}`;
