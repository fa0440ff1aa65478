/** Whether an answer is what openapi.yaml declares for its operation and status. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Compile } from 'typebox/schema';
import { parse } from 'yaml';
import { packageRoot } from '../../src/package.js';

interface MediaType {
  readonly schema: object;
}
interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, { readonly content: Readonly<Record<string, MediaType>> }>>;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: object;
}

export const openApiPath = path.join(packageRoot, 'openapi.yaml');
export const openApi = parse(readFileSync(openApiPath, 'utf8')) as Document;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** What is wrong with the answer, undefined when nothing is. */
export function contractFault(operationId: string, { status, headers, body }: Answer): string | undefined {
  const response = operation(operationId).responses[String(status)];
  if (response === undefined) return `${operationId} does not declare ${status}`;
  const mediaType = headers.get('content-type')?.split(';')[0] ?? '';
  const declared = response.content[mediaType];
  if (declared === undefined) return `${operationId} does not declare ${status} as ${mediaType}`;
  const [fits, errors] = Compile({ ...declared.schema, components: openApi.components }).Errors(body);
  return fits ? undefined : JSON.stringify(errors);
}

function operation(operationId: string): Operation {
  const operations = Object.values(openApi.paths).flatMap((methods) => Object.values(methods));
  const found = operations.find((one) => one.operationId === operationId);
  if (found === undefined) throw new Error(`openapi.yaml has no operation ${operationId}`);
  return found;
}
