/** Whether the files a connection has open still have their names: a commit to a file without one is lost with its process. */
import { statSync } from 'node:fs';

/**
 * Notes which files the database and the log beside it are now. The function it gives tells what became of them since;
 * null while they are the same.
 */
export function watchFiles(file: string): () => string | null {
  const watched = [file, `${file}-wal`].map((name) => ({ name, identity: identityOf(name) }));
  return () => {
    const lost = watched.find(({ name, identity }) => identityOf(name) !== identity);
    return lost === undefined ? null : `${lost.name} was deleted or replaced while it was in use`;
  };
}

function identityOf(name: string): string | null {
  const stats = statSync(name, { bigint: true, throwIfNoEntry: false });
  return stats === undefined ? null : `${stats.dev} ${stats.ino}`;
}
