import path from 'node:path';
import Sqlite from 'better-sqlite3';
import t from 'tap';
import { errata } from './errata.js';

const KEY = /^errata_reviewer_([0-9A-Za-z]{11})_[0-9A-Za-z]{49}\n$/;

t.test('a key is told once, listed without its secret, rotated and revoked; the log is verified', async (t) => {
  const home = t.testdir();
  const call = (...words: string[]) => errata(words, home);
  const { stdout: created } = await call('keys', 'create', 'reviewer', '--name', 'Ada');
  t.match(created, KEY);
  const id = KEY.exec(created)?.[1] as string;
  t.match(await call('keys', 'list'), { code: 0, stdout: new RegExp(`^${id}  reviewer  created \\S+  Ada\n$`) });
  const { stdout: rotated } = await call('keys', 'rotate', id, '--keep', '5');
  t.match(rotated, KEY);
  t.not(rotated, created);
  t.match(await call('keys', 'revoke', id), { code: 0, stdout: '' });
  const { stdout: json } = await call('keys', 'list', '--json');
  t.match(JSON.parse(json), [{ id, role: 'reviewer', name: 'Ada', revoked_at: String }]);
  t.notMatch(json, /sha256/);

  const { code, stdout: head } = await call('audit', 'verify');
  t.equal(code, 0);
  t.match(head, /^3:[0-9a-f]{64}\n$/);
  t.match(await call('audit', 'verify', '--expect', head.trim()), { code: 0 });
  t.match(await call('audit', 'verify', '--expect', `2${head.trim().slice(1)}`), {
    code: 1,
    stderr: /row 2 has not the hash/,
  });
  const raw = new Sqlite(path.join(home, 'data', 'errata.db'));
  raw.exec("drop trigger audit_log_never_changes; update audit_log set actor = 'nobody' where seq = 2");
  raw.close();
  const spoilt = await call('audit', 'verify');
  t.match(spoilt, { code: 1, stdout: /^1:/, stderr: /row 2 \(.+ key\.rotate\) is not as it was written/ });
});

t.test('what is no role, id, time or database is refused', async (t) => {
  const home = t.testdir();
  for (const words of [
    ['keys', 'create', 'root'],
    ['keys', 'create'],
    ['keys', 'rotate', 'x', '--keep', 'long'],
    ['audit', 'verify', '--expect', 'x'],
  ])
    t.match(await errata(words, home), { code: 2, stdout: '' }, words.join(' '));
  t.match(await errata(['keys', 'revoke', 'nobody'], home), { code: 1, stderr: /no key with the id nobody/ });
  t.match(await errata(['audit', 'verify', 'nowhere.db'], home), { code: 1, stderr: /nowhere\.db/ });
});
