/** Which rows a batch is made of. */
import fc from 'fast-check';
import t from 'tap';
import type { Rider } from '../../src/engine/engine.js';
import { Request } from '../../src/engine/request.js';
import { mixOf, ridersFor, seatsOf, tellRider } from '../../src/engine/seats.js';

const request = (
  lengths: readonly number[],
  adapters: readonly (string | null)[],
  riders: (Rider | undefined)[] = [],
) =>
  new Request(
    lengths.map((length) => new Int32Array(length)),
    { adapters, riders },
    0,
  );

const rider = (adapter = 'new'): Rider & { told: unknown[] } => {
  const told: unknown[] = [];
  return { adapter, told, done: (outcome) => told.push(outcome) };
};

const ADAPTERS = fc.uniqueArray(fc.constantFrom(null, 'a', 'b', 'c'), { minLength: 1, maxLength: 4 });
const LENGTHS = fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1, maxLength: 20 });

t.test('whatever rows are chosen, each is there once by every one of its adapters', async () => {
  fc.assert(
    fc.property(LENGTHS, ADAPTERS, fc.array(fc.boolean()), (lengths, adapters, chosen) => {
      const entries = request(lengths, adapters).entries.filter((_, at) => chosen[at] ?? false);
      const seats = seatsOf(entries);
      return (
        seats.length === entries.length * adapters.length &&
        seats.every(
          ({ entry, adapter, place }) =>
            place === entry.index * adapters.length + (adapters as (string | null)[]).indexOf(adapter),
        )
      );
    }),
  );
});

t.test('riders never make a batch larger than its bounds, and each rides with its own row', async () => {
  const room = fc.record({ tokens: fc.integer({ min: 1, max: 2000 }), rows: fc.integer({ min: 1, max: 40 }) });
  fc.assert(
    fc.property(LENGTHS, fc.array(fc.boolean()), room, (lengths, wanted, { tokens, rows }) => {
      const { entries } = request(
        lengths,
        [null],
        lengths.map((_, at) => (wanted[at] ? rider() : undefined)),
      );
      const seats = seatsOf(entries);
      const riders = ridersFor(entries, seats, { tokens, rows });
      const count = seats.length + riders.length;
      return (
        riders.every(({ entry, adapter, place }) => entry.rider?.adapter === adapter && place === null) &&
        (riders.length === 0 || (count <= rows && count * Math.max(...lengths) <= tokens))
      );
    }),
  );
});

t.test('where there is room for all, all ride', async (t) => {
  const { entries } = request([3, 9, 5], ['a'], [rider(), undefined, rider()]);
  const riders = ridersFor(entries, seatsOf(entries), { tokens: 45, rows: 5 });
  t.strictSame(
    riders.map(({ entry }) => entry.index),
    [0, 2],
  );
});

t.test('a rider is told once', async (t) => {
  const one = rider();
  const [entry] = request([3], [null], [one]).entries;
  tellRider(entry!, 'dropped');
  tellRider(entry!, 'failed');
  t.strictSame(one.told, ['dropped']);
});

t.test('a mix has one name, whatever the order', async (t) => {
  t.equal(mixOf([null, 'b', 'a']), mixOf(['a', null, 'b']));
  t.not(mixOf([null, 'a']), mixOf(['a']));
});
