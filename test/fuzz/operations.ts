/** The operations of an OpenAPI document, as far as requests are made of them. */
import type { Schema } from './schema.js';

export interface Parameter {
  readonly in: 'path' | 'query' | 'header';
  readonly name: string;
  readonly required?: boolean;
  readonly schema: Schema;
}

export interface Content {
  readonly schema: Schema;
}

export interface Operation {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly Parameter[];
  /** By media type; none: it takes no body. */
  readonly bodies: Readonly<Record<string, Content>>;
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, Content>> }>>;
}

export interface Document {
  readonly paths: object;
  readonly components: object;
}

interface Described {
  readonly operationId: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, Content>> };
  readonly responses: Operation['responses'];
}

export function operationsOf({ paths }: Document): Operation[] {
  const entries = Object.entries(paths as Readonly<Record<string, Readonly<Record<string, Described>>>>);
  return entries.flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId: id, parameters = [], requestBody, responses }]) => ({
      id,
      method: method.toUpperCase(),
      path,
      parameters,
      bodies: requestBody?.content ?? {},
      responses,
    })),
  );
}
