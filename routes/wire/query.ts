/** Query strings are text: the numbers among them are read here, strictly, before the schema is checked. */
import type { FastifyRequest } from 'fastify';

const DECIMAL = /^-?(?:(?:0|[1-9]\d*)(?:\.\d+)?|\.\d+)(?:e[-+]?\d+)?$/i;

/** A preValidation hook for queries of that schema. What is no decimal number stays text, which the schema refuses. */
export function readNumbers(schema: { readonly properties: object }): (request: FastifyRequest) => Promise<void> {
  const names = Object.entries(schema.properties)
    .filter(([, property]) => ['number', 'integer'].includes((property as { type?: string }).type ?? ''))
    .map(([name]) => name);
  return async (request) => {
    const query = request.query as Record<string, unknown>;
    for (const name of names) {
      const text = query[name];
      if (typeof text === 'string' && DECIMAL.test(text)) query[name] = Number(text);
    }
  };
}
