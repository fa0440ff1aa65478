/** Changes of a JSON value at any place in it. */
import fc, { type Arbitrary } from 'fast-check';
import { ODD_KEYS, ODD_VALUES } from './odd.js';
import { Raw, write } from './raw-json.js';

type Spoil = (value: unknown) => unknown;
type Steps = readonly (string | number)[];

/** A change of one place, drawn without knowing the value: so it shrinks by itself. */
export function spoiledJson(): Arbitrary<Spoil> {
  return fc.tuple(fc.nat(10_000), changes()).map(([which, change]) => (value) => {
    const places = placesOf(value);
    return at(value, places[which % places.length] as Steps, change);
  });
}

/** What becomes of the value at a place; GONE: nothing. */
type Change = (value: unknown) => unknown;
const GONE = Symbol('gone');

function changes(): Arbitrary<Change> {
  const odd = fc.constantFrom(...ODD_VALUES);
  const replaced = odd.map((value) => () => value);
  const added = fc.tuple(fc.constantFrom(...ODD_KEYS), odd).map(
    ([key, value]) =>
      (object: unknown) =>
        isObject(object) ? withMember(object, key, value) : value,
  );
  const twice = fc.nat(20).map((which) => (object: unknown) => (isObject(object) ? doubled(object, which) : object));
  const long = fc.constantFrom(257, 501, 1001).map((count) => (value: unknown) => lengthened(value, count));
  return fc.oneof(
    { weight: 6, arbitrary: replaced },
    { weight: 2, arbitrary: fc.constant(() => GONE) },
    { weight: 3, arbitrary: added },
    { weight: 2, arbitrary: twice },
    { weight: 1, arbitrary: long },
    { weight: 1, arbitrary: fc.constant((value: unknown) => [value]) },
    { weight: 1, arbitrary: fc.constant((value: unknown) => write(value)) },
  );
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Raw);

/** Also `__proto__`, which an assignment would not add. */
const withMember = (object: object, key: string, value: unknown): object =>
  Object.fromEntries([...Object.entries(object), [key, value]]);

function doubled(object: Readonly<Record<string, unknown>>, which: number): unknown {
  const members = Object.entries(object);
  const member = members[which % Math.max(1, members.length)];
  if (member === undefined) return new Raw('{"a":1,"a":2}');
  const all = [...members, [member[0], null] as const];
  return new Raw(`{${all.map(([key, value]) => `${JSON.stringify(key)}:${write(value)}`).join(',')}}`);
}

function lengthened(value: unknown, count: number): unknown {
  if (typeof value === 'string') return `${value}x`.repeat(count);
  if (Array.isArray(value))
    return Array.from({ length: count }, (_, i) => value[i % Math.max(1, value.length)] as unknown);
  return Array.from({ length: count }, () => value);
}

/** The root first; where there is much, not all. */
function placesOf(value: unknown, here: Steps = []): Steps[] {
  if (typeof value !== 'object' || value === null || value instanceof Raw) return [here];
  const members = Array.isArray(value)
    ? value.slice(0, 8).map((one, i) => [i, one] as const)
    : Object.entries(value).slice(0, 40);
  return [here, ...members.flatMap(([step, one]) => placesOf(one, [...here, step]))];
}

function at(value: unknown, [step, ...rest]: Steps, change: Change): unknown {
  if (step === undefined) {
    const changed = change(value);
    return changed === GONE ? null : changed;
  }
  if (Array.isArray(value)) {
    const inner = changedMember(value[step as number], rest, change);
    return value.flatMap((one: unknown, i) => (i !== step ? [one] : inner === GONE ? [] : [inner]));
  }
  const members = Object.entries(value as object).map(
    ([key, member]) => [key, key === step ? changedMember(member, rest, change) : (member as unknown)] as const,
  );
  return Object.fromEntries(members.filter(([, member]) => member !== GONE));
}

const changedMember = (value: unknown, rest: Steps, change: Change): unknown =>
  rest.length === 0 ? change(value) : at(value, rest, change);
