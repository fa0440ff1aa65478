/** Ids against those that Hugging Face's Rust library made. */
import t from 'tap';
import { DEBERTA, encodeAll, loadTokenizer, readJson, TINY } from './tokenizers.js';

interface Case {
  readonly text: string;
  readonly pair?: string;
  readonly ids: number[];
}

interface Reference {
  readonly pairs: { readonly premise?: string; readonly hypothesis?: string; readonly ids: number[] }[];
}

const deberta = loadTokenizer(DEBERTA);
const tiny = loadTokenizer(TINY);

t.test('DeBERTa-v3: single texts and pairs', (t) => {
  const { cases } = readJson(`${DEBERTA}/cases.json`) as { cases: Case[] };
  t.equal(cases.length, 260);
  for (const { text, pair, ids } of cases) {
    const second = pair === undefined ? [] : [...encodeAll(deberta, pair), deberta.sepId];
    t.same(
      [deberta.clsId, ...encodeAll(deberta, text), deberta.sepId, ...second],
      ids,
      JSON.stringify(text.slice(0, 40)),
    );
  }
  t.end();
});

t.test('the bundled model: its plain reference pairs', (t) => {
  const { pairs } = readJson(`${TINY}/reference.json`) as Reference;
  const plain = pairs.filter((pair) => pair.premise !== undefined);
  t.equal(plain.length, 24);
  for (const { premise = '', hypothesis = '', ids } of plain) {
    const { clsId, sepId } = tiny;
    t.same([clsId, ...encodeAll(tiny, premise), sepId, ...encodeAll(tiny, hypothesis), sepId], ids, hypothesis);
  }
  t.end();
});

const both = [
  { name: 'deberta', tokenizer: deberta, directory: DEBERTA },
  { name: 'tiny', tokenizer: tiny, directory: TINY },
];

for (const { name, tokenizer, directory } of both) {
  t.test(`${name}: hostile texts, in which no token is special`, (t) => {
    const { cases } = readJson(`test/golden/tokenizer/plain-${name}.json`) as { cases: Case[] };
    t.ok(cases.some(({ text }) => text.includes('[SEP]')));
    for (const { text, ids } of cases) t.same(encodeAll(tokenizer, text), ids, JSON.stringify(text.slice(0, 40)));
    t.end();
  });

  t.test(`${name}: words that are remembered have the ids that they have when they are not`, (t) => {
    const { cases } = readJson(`test/golden/tokenizer/plain-${name}.json`) as { cases: Case[] };
    const fresh = loadTokenizer(directory);
    for (const { text, ids } of [...cases, ...cases.toReversed()])
      t.same(encodeAll(fresh, text), ids, JSON.stringify(text.slice(0, 40)));
    t.end();
  });

  t.test(`${name}: the name of a special token is the pieces of its characters`, (t) => {
    const { added_tokens } = readJson(`${directory}/tokenizer.json`) as {
      added_tokens: { id: number; content: string }[];
    };
    t.equal(added_tokens.length, 5);
    for (const { id, content } of added_tokens)
      t.notOk(encodeAll(tokenizer, `x ${content}${content} y`).includes(id), content);
    t.end();
  });
}

t.test('half a surrogate pair is U+FFFD, which DeBERTa-v3 takes for a space', (t) => {
  for (const text of ['a\ud800b', '\udc00', 'x\udc00\ud800', '🙂\ud83d']) {
    const replaced = Buffer.from(text).toString();
    t.equal(tiny.normalize(text), replaced, JSON.stringify(text));
    t.same(encodeAll(deberta, text), encodeAll(deberta, replaced), JSON.stringify(text));
  }
  t.same(encodeAll(deberta, 'a\ud800b'), encodeAll(deberta, 'a b'));
  t.end();
});
