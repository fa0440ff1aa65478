/**
 * A Hugging Face hub of one repository, and the file server it redirects to, on two ports of 127.0.0.1. Speaks
 * /api/models/{repo}/revision/{rev}, /api/models/{repo}/paths-info/{commit} and /{repo}/resolve/{commit}/{file}.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export const REPO = 'cross-encoder/nli-test';
export const COMMIT = '0123456789abcdef0123456789abcdef01234567';

export interface Seen {
  readonly server: 'hub' | 'cdn';
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** What goes wrong at the file server; answers true when it has dealt with the request. */
export type Fault = (file: string, from: number, response: ServerResponse) => boolean;

export interface TestHub {
  readonly url: string;
  readonly files: Map<string, Buffer>;
  readonly seen: Seen[];
  /** Status that every question to the hub itself is answered with, 200 when all is well. */
  status: number;
  fault: Fault;
  /** What paths-info answers, made from the true answer. */
  lie: (infos: object[]) => object[];
  /** Requests for files, as `name@range`. */
  fetched(): string[];
  close(): void;
}

/** The files of a small model: contents need not be a model, only large enough to break off in the middle. */
export function modelFiles(): Map<string, Buffer> {
  const weights = Buffer.alloc(3_000_000, 'weights of a model ');
  return new Map([
    ['config.json', Buffer.from('{"model_type":"deberta-v2"}')],
    ['model.safetensors', weights],
    ['tokenizer.json', Buffer.from('{"model":{}}')],
    ['tokenizer_config.json', Buffer.from('{}')],
    ['spm.model', Buffer.from('not needed')],
  ]);
}

export async function startHub(files: Map<string, Buffer> = modelFiles()): Promise<TestHub> {
  const seen: Seen[] = [];
  const cdn = createServer((request, response) => serveFile(hub, note(seen, 'cdn', request), response));
  const cdnUrl = await listen(cdn);
  const server = createServer((request, response) =>
    serveHub(hub, cdnUrl, note(seen, 'hub', request), request, response),
  );
  const hub: TestHub = {
    url: await listen(server),
    files,
    seen,
    status: 200,
    fault: () => false,
    lie: (infos) => infos,
    fetched: () =>
      seen.filter((one) => one.server === 'cdn').map(({ path, range }) => `${path.slice(1)}@${range ?? 'all'}`),
    close: () => [server, cdn].forEach(stop),
  };
  return hub;
}

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function stop(server: Server): void {
  server.close();
  server.closeAllConnections();
}

function note(seen: Seen[], server: Seen['server'], { url, headers }: IncomingMessage): Seen {
  const one = { server, path: decodeURI(url ?? ''), range: headers.range, authorization: headers.authorization };
  seen.push(one);
  return one;
}

function serveHub(hub: TestHub, cdnUrl: string, seen: Seen, request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  if (hub.status !== 200) return json(response, hub.status, { error: 'words of the server' });
  const [path] = seen.path.split('?');
  const file = path?.split(`/${REPO}/resolve/${COMMIT}/`)[1];
  if (file !== undefined) {
    response.writeHead(302, {
      location: `${cdnUrl}/${file}`,
      'x-repo-commit': COMMIT,
      'x-linked-etag': `"${sha256(hub, file)}"`,
    });
    response.end();
  } else if (path === `/api/models/${REPO}/revision/main` || path === `/api/models/${REPO}/revision/${COMMIT}`) {
    json(response, 200, { _id: '1', id: REPO, sha: COMMIT, lastModified: '2024-01-01T00:00:00.000Z' });
  } else if (path === `/api/models/${REPO}/paths-info/${COMMIT}`) answerPaths(hub, request, response);
  else json(response, 404, { error: 'Revision Not Found' });
}

function answerPaths(hub: TestHub, request: IncomingMessage, response: ServerResponse): void {
  const body: Buffer[] = [];
  request.on('data', (chunk: Buffer) => body.push(chunk));
  request.on('end', () => {
    const { paths } = JSON.parse(Buffer.concat(body).toString()) as { paths: string[] };
    json(response, 200, hub.lie(paths.filter((path) => hub.files.has(path)).map((path) => pathInfo(hub, path))));
  });
}

/** The weights are an LFS object, everything else a git blob. */
function pathInfo(hub: TestHub, path: string): object {
  const content = contentOf(hub, path);
  const oid = createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
  const lfs = { oid: sha256(hub, path), size: content.length, pointerSize: 134 };
  return { type: 'file', path, oid, size: content.length, ...(path.endsWith('.safetensors') ? { lfs } : {}) };
}

function serveFile(hub: TestHub, { path, range }: Seen, response: ServerResponse): void {
  const file = path.slice(1);
  const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
  if (hub.fault(file, from, response)) return;
  const content = contentOf(hub, file);
  const partial = { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` };
  response.writeHead(from > 0 ? 206 : 200, {
    'content-length': content.length - from,
    etag: '"x"',
    ...(from > 0 ? partial : {}),
  });
  response.end(content.subarray(from));
}

function contentOf(hub: TestHub, file: string): Buffer {
  const content = hub.files.get(file);
  if (content === undefined) throw new Error(`the test hub has no ${file}`);
  return content;
}

function sha256(hub: TestHub, file: string): string {
  return createHash('sha256').update(contentOf(hub, file)).digest('hex');
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
