/** What is done to a good request so that it is good no more, or is good in a way nobody thought of. */
import fc, { type Arbitrary } from 'fast-check';
import { type Draft, escaped, MULTIPART, type Part } from './draft.js';
import { spoiledJson } from './hostile-json.js';
import { ODD_HEADER_VALUES, ODD_MEDIA_TYPES, ODD_TEXTS } from './odd.js';

type Change = (draft: Draft) => Draft;

/** Each draft with one to three changes. */
export const spoiling = (drafts: Arbitrary<Draft>): Arbitrary<Draft> =>
  drafts.chain((draft) =>
    fc
      .array(fc.oneof(...changesOf(draft)), { minLength: 1, maxLength: 3 })
      .map((changes) => changes.reduce((before, change) => change(before), draft)),
  );

function changesOf(draft: Draft): { weight: number; arbitrary: Arbitrary<Change> }[] {
  const { path, body, method } = draft;
  const names = Object.keys(path);
  return [
    { weight: 2, arbitrary: queries(draft) },
    { weight: 1, arbitrary: headers() },
    ...(names.length > 0 ? [{ weight: 4, arbitrary: segments(names) }] : []),
    ...(body !== null ? [{ weight: 8, arbitrary: values(body.type) }] : []),
    ...(method === 'POST'
      ? [
          { weight: 3, arbitrary: bytes() },
          { weight: 1, arbitrary: mediaTypes() },
        ]
      : []),
  ];
}

const oddText = (): Arbitrary<string> => fc.oneof(fc.constantFrom(...ODD_TEXTS), fc.string({ unit: 'binary' }));

/** Escaped, or as it is where a URL may hold it. `active` is a path of its own. */
const oddPiece = (): Arbitrary<string> =>
  fc
    .tuple(oddText(), fc.boolean())
    .map(([text, raw]) => (raw && /^[!-~]*$/.test(text) && !/[/?#&=]/.test(text) ? text : escaped(text)))
    .filter((text) => text.length < 8000);

function segments(names: readonly string[]): Arbitrary<Change> {
  const piece = oddPiece().filter((text) => text !== 'active');
  return fc.tuple(fc.constantFrom(...names), piece, fc.boolean()).map(([name, odd, added]) => (draft: Draft) => {
    const before = added ? (draft.path[name] ?? '') : '';
    return { ...draft, path: { ...draft.path, [name]: before + odd } };
  });
}

function queries({ query }: Draft): Arbitrary<Change> {
  const names = [...query.map(([name]) => name), 'limit', 'cursor', 'since', 'text'];
  const name = fc.oneof(fc.constantFrom(...names), fc.constantFrom(...names.map((one) => `${one}[a]`)), oddPiece());
  return fc.tuple(name, oddPiece()).map((added) => (draft: Draft) => ({ ...draft, query: [...draft.query, added] }));
}

const HEADERS = [
  'accept',
  'accept-encoding',
  'if-match',
  'if-none-match',
  'last-event-id',
  'idempotency-key',
  'range',
  'authorization',
  'cookie',
  'x-forwarded-for',
  'x-http-method-override',
  'content-encoding',
  'origin',
  'sec-fetch-site',
  'accept-version',
  'x-request-id',
  'traceparent',
];

const headers = (): Arbitrary<Change> =>
  fc
    .tuple(fc.constantFrom(...HEADERS), fc.constantFrom(...ODD_HEADER_VALUES))
    .map(([name, value]) => (draft: Draft) => ({ ...draft, headers: { ...draft.headers, [name]: value } }));

const mediaTypes = (): Arbitrary<Change> =>
  fc.constantFrom(...ODD_MEDIA_TYPES).map((type) => (draft: Draft) => {
    return { ...draft, headers: { ...draft.headers, 'content-type': type } };
  });

/** Of the body: what its JSON says, or the parts of a form. */
function values(type: string): Arbitrary<Change> {
  const change = type === MULTIPART ? spoiledParts() : spoiledJson();
  return change.map((spoil) => (draft: Draft) => {
    return draft.body === null ? draft : { ...draft, body: { type, value: spoil(draft.body.value) } };
  });
}

function spoiledParts(): Arbitrary<(value: unknown) => unknown> {
  const change = fc.constantFrom<(part: Part) => readonly Part[]>(
    () => [],
    (part) => [part, part],
    (part) => [{ ...part, filename: null }],
    (part) => [{ ...part, name: `../${part.name}` }],
    (part) => [{ ...part, name: '__proto__' }],
    (part) => [part, { ...part, name: 'another' }],
    (part) => [{ ...part, filename: '../../x\r\n' }],
    (part) => [{ ...part, content: new Uint8Array() }],
    (part) => [{ ...part, content: part.content.subarray(0, part.content.length >> 1) }],
    (part) => [{ ...part, content: part.content.map((byte, i) => (i % 997 === 13 ? byte ^ 1 : byte)) }],
  );
  return fc.tuple(fc.nat(1), change).map(
    ([which, changed]) =>
      (value) =>
        (value as readonly Part[]).flatMap((part, at) => (at === which ? changed(part) : [part])),
  );
}

const PIECES = [
  [0xef, 0xbb, 0xbf],
  [0xff, 0xfe],
  [0xc0, 0xae],
  [0xed, 0xa0, 0x80],
  [0xf8, 0x88, 0x80, 0x80, 0x80],
  [0x80],
  [0x00],
  [0x1f, 0x8b, 0x08, 0x00],
  [0x0d, 0x0a, 0x0d, 0x0a],
  [0x2c],
  [0x22],
  [0x7d],
  [0x5b],
].map((piece) => Buffer.from(piece));

/** A JSON body where none may be meant to be, too. */
function bytes(): Arbitrary<Change> {
  const at = fc.double({ min: 0, max: 1, noNaN: true });
  const place = (body: Buffer, share: number): number => Math.floor(share * body.length);
  const cut = at.map((share) => (body: Buffer) => body.subarray(0, place(body, share)));
  const put = fc.tuple(at, fc.constantFrom(...PIECES)).map(([share, piece]) => (body: Buffer) => {
    return Buffer.concat([body.subarray(0, place(body, share)), piece, body.subarray(place(body, share))]);
  });
  const front = fc.constantFrom(...PIECES).map((piece) => (body: Buffer) => Buffer.concat([piece, body]));
  const flip = fc.tuple(at, fc.integer({ min: 1, max: 255 })).map(([share, mask]) => (body: Buffer) => {
    return Buffer.from(body.map((byte, i) => (i === place(body, share) ? byte ^ mask : byte)));
  });
  const instead = fc
    .constantFrom('', ' ', '\n\n', '{}', '[]', 'null', '""', '0', '{', '{}{}', '\u{1F9EA}', '<a/>', 'a=b')
    .map((text) => () => Buffer.from(text));
  const json = { 'content-type': 'application/json' };
  return fc.oneof(cut, put, front, flip, instead).map((change) => (draft: Draft) => {
    return { ...draft, headers: { ...json, ...draft.headers }, spoil: [...draft.spoil, change] };
  });
}
