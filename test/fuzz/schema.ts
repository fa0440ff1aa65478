/** JSON Schema → fast-check: values that a schema allows, with a bias to its limits. */
import fc, { type Arbitrary } from 'fast-check';
import { Compile } from 'typebox/schema';

/** What the schemas of openapi.yaml use of JSON Schema. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly pattern?: string;
  readonly format?: string;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

export interface Source {
  /** What `#/components/…` points into. */
  readonly components: object;
  /** Values that mean something to the service, by the name of the member or parameter: ids of what is there. */
  readonly known: Readonly<Record<string, Arbitrary<unknown>>>;
}

/** Most items of an array, unless the schema wants more. */
const ITEMS = 4;

/** Only values that the schema allows, as a validator of others than the service's own reads it. */
export function valuesOf(schema: Schema, source: Source, name = ''): Arbitrary<unknown> {
  const compiled = Compile({ ...schema, components: source.components });
  return draw(schema, source, name).filter((value) => compiled.Check(value));
}

function draw(schema: Schema, source: Source, name: string): Arbitrary<unknown> {
  const drawn = byKeyword(schema, source);
  const known = source.known[name];
  return known === undefined ? drawn : fc.oneof({ weight: 3, arbitrary: known }, { weight: 1, arbitrary: drawn });
}

function byKeyword(schema: Schema, source: Source): Arbitrary<unknown> {
  if (schema.$ref !== undefined) return draw(resolved(schema.$ref, source), source, '');
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map((one) => draw(one, source, '')));
  if (schema.type === undefined) return fc.jsonValue({ maxDepth: 2 });
  return fc.oneof(...[schema.type].flat().map((type) => byType(type, schema, source)));
}

function resolved($ref: string, { components }: Source): Schema {
  const steps = $ref.replace('#/components/', '').split('/');
  return steps.reduce((at: object, step) => (at as Record<string, object>)[step] as object, components);
}

function byType(type: string, schema: Schema, source: Source): Arbitrary<unknown> {
  switch (type) {
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return integers(schema);
    case 'number':
      return numbers(schema);
    case 'string':
      return strings(schema);
    case 'array':
      return arrays(schema, source);
    case 'object':
      return objects(schema, source);
    default:
      throw new Error(`no values are known of type ${type}`);
  }
}

function integers({ minimum = -(2 ** 31), maximum = 2 ** 31 }: Schema): Arbitrary<number> {
  const few = fc.integer({ min: minimum, max: Math.min(maximum, minimum + 10) });
  return fc.oneof(few, fc.integer({ min: minimum, max: maximum }), fc.constantFrom(minimum, maximum));
}

function numbers({ minimum = -1e9, maximum = 1e9 }: Schema): Arbitrary<number> {
  const within = fc.double({ min: minimum, max: maximum, noNaN: true });
  return fc.oneof(within, fc.constantFrom(minimum, maximum));
}

const SENTENCES = [
  'A man is playing a guitar on stage.',
  'Someone makes music.',
  'The drug helps.',
  'Die Studie mit 1 024 Teilnehmern fand keinen Effekt.',
  'Cafe\u0301 and caf\u00e9',
  '\u202Eright to left\u202C',
  '\u05D0\u05D1\u05D2 \u0627\u0644\u0639\u0631\u0628\u064A\u0629',
  '\u{1F468}\u200D\u{1F469}\u200D\u{1F467} \u{1D7D8}',
  '\u0001\u001B[31m\u007F\u0085\u2028',
  '../../etc/passwd',
  '%2e%2e%2f',
  "'; drop table predictions; --",
  '{{7*7}} ${7*7} <script>alert(1)</script>',
  '__proto__',
  'constructor',
  ' ',
  '\uFEFF\u200B',
];

function strings({ pattern, format, maxLength }: Schema): Arbitrary<string> {
  if (format === 'date-time') return dates();
  // Every class of a pattern that forbids characters is too wide to be drawn from: texts are, and filtered.
  if (pattern !== undefined && !pattern.startsWith('^[^')) return fc.stringMatching(new RegExp(pattern, 'u'));
  const longest = maxLength === undefined ? [] : [fc.constant('x'.repeat(maxLength))];
  const short = fc.string({ unit: 'binary', maxLength: 24 });
  return fc.oneof(fc.constantFrom(...SENTENCES), fc.string({ unit: 'grapheme', maxLength: 40 }), short, ...longest);
}

const dates = (): Arbitrary<string> =>
  fc
    .date({ min: new Date('0000-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true })
    .chain((date) => {
      const utc = date.toISOString();
      const forms = [utc, utc.replace(/\.\d+Z/, 'Z'), utc.replace('Z', '+23:59'), utc.replace('T', 't').toLowerCase()];
      return fc.constantFrom(...forms, '2016-12-31T23:59:60Z');
    });

function arrays({ items = {}, minItems = 0, maxItems = ITEMS, uniqueItems = false }: Schema, source: Source) {
  const item = draw(items, source, '');
  const bounds = { minLength: minItems, maxLength: Math.max(minItems, Math.min(maxItems, ITEMS)) };
  return uniqueItems ? fc.uniqueArray(item, bounds) : fc.array(item, bounds);
}

function objects({ properties = {}, required = [] }: Schema, source: Source): Arbitrary<object> {
  const members = Object.entries(properties).map(([name, member]) => [name, draw(member, source, name)] as const);
  return fc.record(Object.fromEntries(members), { requiredKeys: [...required] });
}
