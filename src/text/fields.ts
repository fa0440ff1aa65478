/** Reading values of unknown shape out of a JSON file: each either has the type asked for or is refused by its name. */

export type Fields = Readonly<Record<string, unknown>>;

export function fieldsOf(value: unknown, name: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${name} is not an object`);
  return value as Fields;
}

export function listOf(value: unknown, name: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error(`${name} is not a list`);
  return value;
}

export function textOf(value: unknown, name: string): string {
  if (typeof value !== 'string') throw new Error(`${name} is not a string`);
  return value;
}

export function numberOf(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new Error(`${name} is not a number`);
  return value;
}

/** A token id: a whole number from 0 that fits an Int32Array. */
export function idOf(value: unknown, name: string): number {
  const id = numberOf(value, name);
  if (!Number.isInteger(id) || id < 0 || id > 0x7fffffff) throw new Error(`${name} is not a token id`);
  return id;
}
