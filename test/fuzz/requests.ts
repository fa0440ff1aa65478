/** Requests of an operation: those its schemas allow, and those they were before somebody spoiled them. */
import fc, { type Arbitrary } from 'fast-check';
import { type Draft, escaped, mediaType, MULTIPART, type Request, written } from './draft.js';
import { spoiling } from './hostile.js';
import type { Operation, Parameter } from './operations.js';
import { type Schema, type Source, valuesOf } from './schema.js';

export const validRequests = (operation: Operation, source: Source): Arbitrary<Request> =>
  drafts(operation, source).map(written);

export const hostileRequests = (operation: Operation, source: Source): Arbitrary<Request> =>
  spoiling(drafts(operation, source)).map(written);

function drafts(operation: Operation, source: Source): Arbitrary<Draft> {
  const { method, path: template, parameters } = operation;
  const of = (where: Parameter['in']): Arbitrary<Record<string, string>> =>
    texts(
      parameters.filter((parameter) => parameter.in === where),
      source,
    );
  const drawn = fc.record({
    path: of('path'),
    query: of('query'),
    headers: of('header'),
    body: bodies(operation, source),
  });
  return drawn.map(({ path, query, headers, body }) => ({
    method,
    template,
    path: Object.fromEntries(Object.entries(path).map(([name, value]) => [name, escaped(value)])),
    query: Object.entries(query).map(([name, value]) => [escaped(name), escaped(value)] as const),
    headers: { ...headers, ...(body !== null && { 'content-type': mediaType(body.type) }) },
    body,
    spoil: [],
  }));
}

function texts(parameters: readonly Parameter[], source: Source): Arbitrary<Record<string, string>> {
  const values = parameters.map((parameter) => [parameter.name, textsOf(parameter, source)] as const);
  const requiredKeys = parameters.filter(({ required }) => required === true).map(({ name }) => name);
  return fc.record(Object.fromEntries(values), { requiredKeys });
}

/** Of a header: what HTTP lets stand in one. */
function textsOf({ in: where, name, schema }: Parameter, source: Source): Arbitrary<string> {
  const values = valuesOf(schema, source, name).map(asText);
  return where === 'header' ? values.filter((text) => /^[\t\u0020-\u007E\u0080-\u00FF]*$/.test(text)) : values;
}

/** Numbers in a query are decimals: no exponent. */
const asText = (value: unknown): string =>
  typeof value === 'number' && /e/.test(String(value)) ? value.toFixed(20) : String(value);

function bodies({ bodies: contents }: Operation, source: Source): Arbitrary<Draft['body']> {
  const types = Object.entries(contents);
  if (types.length === 0) return fc.constant(null);
  return fc.oneof(
    ...types.map(([type, { schema }]) => contentsOf(type, schema, source).map((value) => ({ type, value }))),
  );
}

/** A form's files are bytes, of which a schema says nothing; every other type than one JSON value is lines of it. */
function contentsOf(type: string, schema: Schema, source: Source): Arbitrary<unknown> {
  if (type === MULTIPART) return source.known[type] ?? fc.constant([]);
  const value = valuesOf(schema, source, type);
  return type === 'application/json' ? value : fc.array(value, { maxLength: 4 });
}
