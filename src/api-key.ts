/**
 * What an API key looks like: `errata_<role>_<id>_<secret><crc>`. The checksum tells a mistyped key from a wrong one, and
 * lets scanners of repositories know a leaked one. Only its SHA-256 is stored: the secret is 256 random bits, so a slow
 * hash would protect nothing more.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { ROLES, type Role } from './roles.js';

/** Random bytes: `count` of them. */
export type RandomBytes = (count: number) => Uint8Array;

export interface KeyName {
  readonly role: Role;
  readonly id: string;
}

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const ID_BYTES = 8;
const ID_LENGTH = 11;
const SECRET_BYTES = 32;
const SECRET_LENGTH = 43;
const CRC_LENGTH = 6;

const FORM = new RegExp(
  `^errata_(${ROLES.join('|')})_([0-9A-Za-z]{${ID_LENGTH}})_[0-9A-Za-z]{${SECRET_LENGTH}}([0-9A-Za-z]{${CRC_LENGTH}})$`,
);

/** In base 62, filled up with zeros. */
function base62(value: bigint, length: number): string {
  let text = '';
  for (let rest = value; rest > 0n; rest /= 62n) text = DIGITS[Number(rest % 62n)] + text;
  return text.padStart(length, '0');
}

const numberOf = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);

const checksum = (text: string): string => base62(BigInt(crc32(text)), CRC_LENGTH);

/** An id for a new key. */
export const newKeyId = (random: RandomBytes): string => base62(numberOf(random(ID_BYTES)), ID_LENGTH);

/** A key of that name with a new secret. */
export function newKey({ role, id }: KeyName, random: RandomBytes): string {
  const body = `errata_${role}_${id}_${base62(numberOf(random(SECRET_BYTES)), SECRET_LENGTH)}`;
  return body + checksum(body);
}

/** What the key says of itself; null when it is no key at all or mistyped. Whether it opens anything is not known by that. */
export function readKey(key: string): KeyName | null {
  const [, role, id, crc] = FORM.exec(key) ?? [];
  if (role === undefined || id === undefined || crc !== checksum(key.slice(0, -CRC_LENGTH))) return null;
  return { role: role as Role, id };
}

/** SHA-256, 32 bytes: what is stored of a key. */
export const digestOfKey = (key: string): Buffer => createHash('sha256').update(key).digest();
