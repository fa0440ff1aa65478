/** A request from its parts, down to its bytes. */
import { write } from './raw-json.js';

export interface Request {
  readonly method: string;
  /** With its query, as it goes over the wire. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | null;
}

/** A request before it is written. */
export interface Draft {
  readonly method: string;
  readonly template: string;
  /** Escaped already. */
  readonly path: Readonly<Record<string, string>>;
  /** Escaped already; a name may stand twice. */
  readonly query: readonly (readonly [name: string, value: string])[];
  readonly headers: Readonly<Record<string, string>>;
  readonly body: { readonly type: string; readonly value: unknown } | null;
  /** Done to the bytes of the body at last. */
  readonly spoil: readonly ((bytes: Buffer) => Buffer)[];
}

/** What a multipart body is made of. */
export interface Part {
  readonly name: string;
  readonly filename: string | null;
  readonly content: Uint8Array;
}

export const MULTIPART = 'multipart/form-data';
const BOUNDARY = 'part-of-a-fuzzed-body';

/** Percent-encoded; half of a surrogate pair, which has no bytes, becomes U+FFFD. */
export const escaped = (text: string): string => encodeURIComponent(Buffer.from(text).toString());

export const mediaType = (type: string): string => (type === MULTIPART ? `${MULTIPART}; boundary=${BOUNDARY}` : type);

/** What goes over the wire. */
export function written({ method, template, path, query, headers, body, spoil }: Draft): Request {
  const at = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => path[name] ?? '');
  const search = query.map(([name, value]) => `${name}=${value}`).join('&');
  const bytes = body === null && spoil.length === 0 ? null : bytesOf(body);
  return {
    method,
    path: search === '' ? at : `${at}?${search}`,
    headers,
    body: bytes && spoil.reduce((before, change) => change(before), bytes),
  };
}

function bytesOf(body: Draft['body']): Buffer {
  if (body === null) return Buffer.alloc(0);
  const { type, value } = body;
  if (type === MULTIPART) return multipart(value as readonly Part[]);
  if (type === 'application/json') return Buffer.from(write(value));
  return Buffer.from([value].flat().map(write).join('\n'));
}

function multipart(parts: readonly Part[]): Buffer {
  const pieces = parts.flatMap(({ name, filename, content }) => {
    const file = filename === null ? '' : `; filename="${filename}"`;
    const head = `--${BOUNDARY}\r\ncontent-disposition: form-data; name="${name}"${file}\r\n\r\n`;
    return [Buffer.from(head), content, Buffer.from('\r\n')];
  });
  return Buffer.concat([...pieces, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}

/** An import of these two files. */
export const formRequest = (
  { method, path: template }: { readonly method: string; readonly path: string },
  { config, weights }: { readonly config: Uint8Array; readonly weights: Uint8Array },
): Request =>
  written({
    method,
    template,
    path: {},
    query: [],
    headers: { 'content-type': mediaType(MULTIPART) },
    body: { type: MULTIPART, value: partsOf({ config, weights }) },
    spoil: [],
  });

/** The two files of a PEFT directory as the parts of a form. */
export const partsOf = ({ config, weights }: { readonly config: Uint8Array; readonly weights: Uint8Array }): Part[] => [
  { name: 'adapter_config.json', filename: 'adapter_config.json', content: config },
  { name: 'adapter_model.safetensors', filename: 'adapter_model.safetensors', content: weights },
];
