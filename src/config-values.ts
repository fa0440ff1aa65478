/**
 * Readers of one environment variable's text. Each answers its value, or throws `Unexpected` with what would have been
 * right; the caller knows the variable's name.
 */
import { isIP } from 'node:net';
import path from 'node:path';
import { sqliteFile } from './database-url.js';

export class Unexpected extends Error {
  override readonly name = 'Unexpected';
}

export type Reader<T> = (text: string) => T;

/** A whole number between `least` and `most`, both included. */
export function integer(least: number, most: number): Reader<number> {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
    if (value >= least && value <= most) return value;
    throw new Unexpected(`a whole number from ${least} to ${most}`);
  };
}

/** A decimal number between `least` and `most`, both included. */
export function decimal(least: number, most: number): Reader<number> {
  return (text) => {
    const value = /^-?\d{1,15}(?:\.\d{1,15})?$/.test(text) ? Number(text) : NaN;
    if (value >= least && value <= most) return value;
    throw new Unexpected(`a number from ${least} to ${most}`);
  };
}

/** One of a few words. */
export function oneOf<const W extends string>(...words: readonly W[]): Reader<W> {
  return (text) => {
    const word = words.find((candidate) => candidate === text);
    if (word !== undefined) return word;
    throw new Unexpected(`one of ${words.join(', ')}`);
  };
}

/** The empty text is null: the variable's way to say "none". */
export function orNone<T>(read: Reader<T>): Reader<T | null> {
  return (text) => (text === '' ? null : read(text));
}

/** `auto` is null: the service decides by itself. */
export function orAuto<T>(read: Reader<T>): Reader<T | null> {
  return (text) => {
    if (text === 'auto') return null;
    try {
      return read(text);
    } catch (error) {
      throw error instanceof Unexpected ? new Unexpected(`auto or ${error.message}`) : error;
    }
  };
}

/** The shape of a label list; what each label means is src/labels' to say, once the checkpoint's labels are known. */
export function labelList(text: string): string {
  const entry = '[^\\s,=][^,=]*';
  if (new RegExp(`^(?:${entry}(?:,\\s*${entry})*|${entry}=${entry}(?:,\\s*${entry}=${entry})*)$`).test(text))
    return text;
  throw new Unexpected('label,label,… in the order of id2label, or name=label,…');
}

/** A directory or file, made absolute from the directory the process was started in. */
export function filePath(text: string): string {
  if (text.includes('\0')) throw new Unexpected('a path');
  return path.resolve(text);
}

/** An IP address or a host name to listen on. */
export function hostName(text: string): string {
  if (isIP(text) !== 0 || /^\w(?:[\w.-]*\w)?$/.test(text)) return text;
  throw new Unexpected('an IP address or a host name, without a port');
}

/** The base address of an HTTP server, without a trailing slash. `fetch` refuses an address that carries credentials. */
export function httpUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const plain = url !== null && url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  if (plain && /^https?:$/.test(url.protocol)) return url.href.replace(/\/+$/, '');
  throw new Unexpected('an http:// or https:// address without user, password, query or fragment');
}

/** `sqlite:<file>`, the file made absolute as in `filePath`. */
export function databaseUrl(text: string): string {
  const file = sqliteFile(text);
  if (file === null) throw new Unexpected('sqlite:<file>');
  return `sqlite:${filePath(file)}`;
}
