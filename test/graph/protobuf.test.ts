import t from 'tap';
import { Message } from '../../src/graph/protobuf.js';

const hex = (message: Message): string => Buffer.from(message.finish()).toString('hex');

// Encodings by the rules of https://protobuf.dev/programming-guides/encoding, worked out by hand.
const ENCODED: [string, Message, string][] = [
  ['zero', new Message().int(1, 0), '0800'],
  ['the largest varint of one byte', new Message().int(1, 127), '087f'],
  ['the smallest of two', new Message().int(1, 128), '088001'],
  ['the guide’s 150', new Message().int(1, 150), '089601'],
  ['a field number of two bytes', new Message().int(20, 7), 'a00107'],
  ['2^32', new Message().int(3, 2 ** 32), '188080808010'],
  ['the largest safe integer', new Message().int(3, Number.MAX_SAFE_INTEGER), '18ffffffffffffff0f'],
  ['the largest int64', new Message().int(3, 2n ** 63n - 1n), '18ffffffffffffffff7f'],
  ['-1, in ten bytes', new Message().int(3, -1), '18ffffffffffffffffff01'],
  ['the smallest int64', new Message().int(3, -(2n ** 63n)), '1880808080808080808001'],
  ['a float', new Message().float(2, 1), '150000803f'],
  ['a negative float', new Message().float(2, -0.5), '15000000bf'],
  ['a text', new Message().string(2, 'testing'), '120774657374696e67'],
  ['a text beyond ASCII', new Message().string(1, 'é'), '0a02c3a9'],
  ['no bytes', new Message().bytes(9, new Uint8Array(0)), '4a00'],
  ['a message in a message', new Message().message(3, new Message().int(1, 150)), '1a03089601'],
  ['repeated messages', new Message().messages(1, [new Message(), new Message().int(1, 1)]), '0a000a020801'],
  ['fields in the order they are added', new Message().int(2, 1).int(1, 2), '10010802'],
];

t.test('each kind of field is encoded by the rules', async (t) => {
  for (const [name, message, expected] of ENCODED) t.equal(hex(message), expected, name);
});

t.test('a length of several bytes stands before long bytes', async (t) => {
  const bytes = new Uint8Array(300).fill(7);
  t.equal(hex(new Message().bytes(1, bytes)), `0aac02${'07'.repeat(300)}`);
});
