/** What a Hugging Face hub says of a repository: the commit behind a revision, and the files Errata needs at it. */
import { HubApiError, modelInfo, type PathInfo, pathsInfo } from '@huggingface/hub';

export interface Hub {
  /** Base address, without a trailing slash. */
  readonly url: string;
  /** Sent to the hub only, never to where it redirects, and never told. */
  readonly token: string | null;
}

/** How the hub identifies a file's content: SHA-256 under LFS, else git's blob SHA-1. */
export type Identity = { readonly kind: 'sha256' | 'git_sha1'; readonly hex: string };

export interface RemoteFile {
  readonly name: string;
  readonly size: number;
  readonly identity: Identity;
  readonly url: string;
}

export interface RemoteModel {
  readonly repo: string;
  readonly commit: string;
  readonly files: readonly RemoteFile[];
}

const REQUIRED = ['config.json', 'model.safetensors', 'tokenizer.json'];
const OPTIONAL = ['tokenizer_config.json', 'special_tokens_map.json', 'added_tokens.json'];
const COMMIT = /^[0-9a-f]{40}$/;

/**
 * Resolves a revision (branch, tag or commit) to its commit and lists the files to download.
 * @throws Error when the repository or revision is not there or not open, or lacks a required file (by name)
 */
export async function findModel(hub: Hub, repo: string, revision: string): Promise<RemoteModel> {
  if (!/^(?:\w[\w.-]*\/)?\w[\w.-]*$/.test(repo))
    throw new Error(`${repo} is not the name of a repository (owner/name)`);
  const commit = await resolveCommit(hub, repo, revision);
  const infos = await ask(hub, repo, commit, (common) =>
    pathsInfo({ ...common, repo: { type: 'model', name: repo }, revision: commit, paths: [...REQUIRED, ...OPTIONAL] }),
  );
  const files = infos.map((info) => remoteFile(hub, repo, commit, info));
  const twice = files.find(({ name }, index) => files.findIndex((file) => file.name === name) !== index);
  if (twice) throw new Error(`${hub.url} names ${twice.name} twice`);
  const missing = REQUIRED.filter((name) => files.every((file) => file.name !== name));
  if (missing.length > 0) throw new Error(`${repo} at ${commit} has no ${missing.join(' and no ')}; Errata needs it`);
  return { repo, commit, files };
}

async function resolveCommit(hub: Hub, repo: string, revision: string): Promise<string> {
  const { sha } = await ask(hub, repo, revision, (common) =>
    modelInfo({ ...common, name: repo, revision, additionalFields: ['sha'] }),
  );
  const expected = COMMIT.test(revision) ? revision : sha;
  if (!COMMIT.test(sha) || sha !== expected) throw new Error(`${hub.url} names no commit for revision ${revision}`);
  return sha;
}

/** The hub's words are checked before any of them becomes a path, a size or a digest. */
function remoteFile(hub: Hub, repo: string, commit: string, info: PathInfo): RemoteFile {
  const name = info.path;
  if (![...REQUIRED, ...OPTIONAL].includes(name) || info.type !== 'file') {
    throw new Error(`${hub.url} answered with ${JSON.stringify(name)}, which was not asked for`);
  }
  const size = info.lfs?.size ?? info.size;
  const identity: Identity = info.lfs
    ? { kind: 'sha256', hex: info.lfs.oid }
    : { kind: 'git_sha1', hex: String(info.oid) };
  const digits = identity.kind === 'sha256' ? 64 : 40;
  if (!Number.isSafeInteger(size) || size < 0 || !new RegExp(`^[0-9a-f]{${digits}}$`).test(identity.hex)) {
    throw new Error(`${hub.url} gives no size and digest for ${name}`);
  }
  return { name, size, identity, url: `${hub.url}/${repo}/resolve/${commit}/${name}` };
}

interface Common {
  readonly hubUrl: string;
  readonly accessToken?: string;
}

async function ask<T>(hub: Hub, repo: string, revision: string, call: (common: Common) => Promise<T>): Promise<T> {
  try {
    return await call({ hubUrl: hub.url, ...(hub.token === null ? {} : { accessToken: hub.token }) });
  } catch (error) {
    if (error instanceof HubApiError) throw refusal(error.statusCode, hub, repo, revision);
    if (error instanceof TypeError && error.message === 'fetch failed') throw unreachable(hub, error);
    throw error;
  }
}

/** What an HTTP status of the hub means to the person who asked; the hub's own text is not repeated. */
export function refusal(status: number, hub: Hub, repo: string, revision: string): Error {
  if (status === 401 || status === 403) return new Error(closed(hub, repo));
  if (status === 404) return new Error(`${hub.url} has no ${repo} at revision ${revision}`);
  return new Error(`${hub.url} answered ${status} when asked for ${repo} at revision ${revision}`);
}

function closed(hub: Hub, repo: string): string {
  const cure =
    hub.token === null ? 'set HF_TOKEN to a token that may read it' : 'the token in HF_TOKEN may not read it';
  return `${repo} is gated, private or not there: accept its terms at ${hub.url}/${repo}; ${cure}`;
}

function unreachable(hub: Hub, error: TypeError): Error {
  const { code, message } = (error.cause ?? {}) as { code?: string; message?: string };
  return new Error(`cannot reach ${hub.url}: ${code ?? message ?? 'no connection'}`, { cause: error });
}
