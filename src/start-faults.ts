/** Why a service does not start, in words that begin with the setting to look at. */
import { stat } from 'node:fs/promises';

/** What `work` gives; an error of it is told under the name of the setting that it follows from. */
export async function naming<T>(setting: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    throw new Error(`${setting}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** Throws unless the path is that of a directory. */
export async function refuseOther(path: string): Promise<void> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT' ? new Error(`${path} does not exist`, { cause: error }) : error;
  });
  if (!found.isDirectory()) throw new Error(`${path} is not a directory`);
}

const LISTENING: Readonly<Record<string, (host: string, port: number) => string>> = {
  EADDRINUSE: (host, port) => `ERRATA_PORT: ${port} of ${host} is taken: give another, or 0 for a free one`,
  EACCES: (host, port) => `ERRATA_PORT: this user may not listen on ${port} of ${host}: give one above 1023`,
  EADDRNOTAVAIL: (host) => `ERRATA_HOST: ${host} is no address of this machine`,
};

/** The error of a server that cannot listen, with the setting that would help where one does. */
export function listenFault(error: NodeJS.ErrnoException, host: string, port: number): Error {
  const told = LISTENING[error.code ?? ''];
  return told === undefined ? error : new Error(told(host, port), { cause: error });
}
