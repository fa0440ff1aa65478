import t from 'tap';
import { createRequest, takeBatch, type TextRequest } from '../../src/text/request.js';

/** A request of so many characters that has seen so many workers die. */
function request(characters: number, losses = 0): TextRequest {
  const ignore = (): void => {};
  return { ...createRequest([{ premise: 'a'.repeat(characters - 1), hypothesis: 'b' }], ignore, ignore), losses };
}

t.test('requests share a batch up to 100,000 characters, and one that saw a worker die goes alone', (t) => {
  const cases: [name: string, waiting: TextRequest[], taken: number][] = [
    ['nothing waits', [], 0],
    ['small ones', [request(10), request(10), request(10)], 3],
    ['just full', [request(60_000), request(40_000), request(10)], 2],
    ['too many', [request(60_000), request(40_001)], 1],
    ['a huge one', [request(3_000_000), request(2)], 1],
    ['one that saw a worker die first', [request(10, 1), request(10)], 1],
    ['one that saw a worker die behind another', [request(10), request(10, 1), request(10)], 1],
  ];
  for (const [name, waiting, taken] of cases) {
    const [all, batch] = [[...waiting], takeBatch(waiting)];
    t.same([batch.length, waiting.length], [taken, all.length - taken], name);
    t.strictSame([...batch, ...waiting], all, 'in their order');
  }
  t.end();
});
