/** Corrections checked one by one, where the fault of one must not be the fault of all. */
import type { FastifyRequest, FastifySchemaValidationError } from 'fastify';
import type { CorrectionLine } from '../schemas/corrections.js';
import type { CorrectionInput, Item } from '../src/corrections/correct.js';
import type { Problem } from '../src/errors.js';
import { type Label, toLabel } from '../src/labels.js';
import { invalidRequest } from './wire/invalid.js';

export type ReadItem<T> = { readonly value: T } | { readonly problem: Problem };

/** Reads one value by `schema`, with the application's own validator. */
export function readItem<T>(
  request: FastifyRequest,
  schema: object,
  value: unknown,
  part: 'body' | 'headers' = 'body',
): ReadItem<T> {
  const check = request.compileValidationSchema(schema, part);
  if (check(value)) return { value: value as T };
  const faults = (check.errors ?? []) as unknown as FastifySchemaValidationError[];
  return { problem: invalidRequest(faults, part) };
}

/** The value, or its problem is the request's. */
export function required<T>(item: ReadItem<T>): T {
  if ('problem' in item) throw item.problem;
  return item.value;
}

/** The item, or its problem is the item's. */
export function toItem(item: ReadItem<CorrectionLine>): Item {
  if ('value' in item) return toInput(item.value);
  const { code, message, errors } = item.problem;
  return { error: { code, detail: message, errors } };
}

/** The schema has let known words through only. */
const known = (word: string): Label => toLabel(word) as Label;

function toInput({ correct_label, original_label, ...said }: CorrectionLine): CorrectionInput {
  return {
    ...said,
    correct_label: known(correct_label),
    ...(original_label !== undefined && { original_label: known(original_label) }),
  };
}
