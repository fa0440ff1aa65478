/**
 * The file of `sqlite:FILE`, or null for any other address. It is a prefix before a path, not a URL: `#`, `?` and `%` are
 * letters of the path. `sqlite:///var/errata.db` is taken too; a host (`sqlite://host/…`) and `sqlite::memory:` are not.
 */
export function sqliteFile(address: string): string | null {
  return /^sqlite:(?:\/\/(?=\/[^/]))?((?!\/\/|:).+)$/.exec(address)?.[1] ?? null;
}
