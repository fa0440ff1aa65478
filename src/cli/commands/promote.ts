/** `errata promote` and `errata rollback` */
import type { Command } from 'commander';
import { dataOf } from '../../../client/client.js';
import { answer, askingCommand, connect, type ServiceOptions } from '../service.js';

interface MoveOptions extends ServiceOptions {
  readonly reason?: string;
  readonly ifMatch?: string;
}

interface PromoteOptions extends MoveOptions {
  readonly force?: true;
}

export function register(program: Command): void {
  const move = (name: string, description: string): Command =>
    askingCommand(program, name, description)
      .option('--reason <text>', 'kept in the history')
      .option('--if-match <etag>', 'only while what answers now has this ETag (GET /adapters/active)');
  move('promote', 'let an adapter answer')
    .argument('<adapter>', 'version or id')
    .option('--force', 'without a comparison that recommends it; needs --reason')
    .action(promote);
  move('rollback', 'let the adapter answer that answered before').action(rollback);
}

async function promote(id: string, options: PromoteOptions): Promise<void> {
  const { reason = null, force = false } = options;
  const call = connect(options).api.POST('/adapters/{id}/promote', {
    params: { path: { id }, ...expected(options) },
    body: { reason, force },
  });
  const adapter = await dataOf(call);
  answer(options, adapter, [`${adapter.version} answers now (digest ${adapter.digest})`]);
}

async function rollback(options: MoveOptions): Promise<void> {
  const call = connect(options).api.POST('/adapters/rollback', {
    params: expected(options),
    body: { reason: options.reason ?? null },
  });
  const { adapter } = await dataOf(call);
  const now = adapter === null ? 'the base model answers now, without an adapter' : `${adapter.version} answers now`;
  answer(options, { adapter }, [now]);
}

const expected = ({ ifMatch }: MoveOptions) => (ifMatch === undefined ? {} : { header: { 'if-match': ifMatch } });
