import t from 'tap';
import { sqliteFile } from '../src/database-url.js';

t.test('an address is sqlite: and a path, whose every character counts', async (t) => {
  for (const [address, file] of [
    ['sqlite:data/errata.db', 'data/errata.db'],
    ['sqlite:./errata.db', './errata.db'],
    ['sqlite:/var/errata.db', '/var/errata.db'],
    ['sqlite:///var/errata.db', '/var/errata.db'],
    ['sqlite:/a#b/c?d/%20.db', '/a#b/c?d/%20.db'],
  ] as const)
    t.equal(sqliteFile(address), file, address);
  for (const address of [
    '',
    'errata.db',
    'postgres://h/db',
    'sqlite:',
    'sqlite://host/x',
    'sqlite::memory:',
    'sqlite:////x',
  ])
    t.equal(sqliteFile(address), null, address);
});
