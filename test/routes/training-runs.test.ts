import t from 'tap';
import { eventStream } from '../../routes/wire/event-stream.js';
import { contractFault } from '../support/contract.js';
import { get, post, serve } from '../support/serve.js';
import { addCorrections, encoding, eventOf, openTraining } from '../training/fixtures/training.js';

interface Frame {
  readonly id: number;
  readonly event: string;
  readonly data: Record<string, unknown>;
}

/** The events of a whole stream. */
function framesOf(text: string): Frame[] {
  return text
    .split('\n\n')
    .filter((frame) => frame.startsWith('id:'))
    .map((frame) => {
      const [id, event, data] = frame.split('\n').map((line) => line.slice(line.indexOf(': ') + 2)) as [
        string,
        string,
        string,
      ];
      return { id: Number(id), event, data: JSON.parse(data) as Record<string, unknown> };
    });
}

const follow = (url: string, after?: string): Promise<Response> =>
  fetch(url, { headers: after === undefined ? {} : { 'last-event-id': after } });

t.test('a run over HTTP: started, followed from its first event to its last, read and listed', async (t) => {
  const { training, database } = await openTraining(t);
  await addCorrections(database, 20);
  const { url } = await serve(t, { training });
  const started = await post(`${url}/training-runs`, { parameters: { epochs: 3, replay: 'none' } });
  t.match(started, { status: 202, body: { parameters: { epochs: 3, r: 8 }, counts: { used: 14 } } });
  t.equal(contractFault('startTrainingRun', started), undefined);
  const { id } = started.body as { id: string };
  const stream = await follow(`${url}/training-runs/${id}/events`);
  t.match(stream.headers.get('content-type'), /^text\/event-stream/);
  const frames = framesOf(await stream.text());
  t.strictSame(
    frames.map((frame) => frame.id),
    frames.map((_, i) => i + 1),
    'nothing is missing or told twice',
  );
  t.match(frames[0], { event: 'state', data: { state: 'queued', at: String } });
  t.match(frames.at(-1), { event: 'state', data: { state: 'succeeded' } });
  t.equal(frames.filter(({ event }) => event === 'step').length, 6);
  t.match(frames.find(({ event }) => event === 'step')?.data, {
    epoch: 1,
    step: 1,
    steps: 6,
    loss: Number,
    learning_rate: 0,
    samples_per_second: Number,
    seconds_left: Number,
  });

  t.test('later it is told again, or from where the client was', async (t) => {
    t.strictSame(framesOf(await (await follow(`${url}/training-runs/${id}/events`)).text()), frames);
    const rest = framesOf(await (await follow(`${url}/training-runs/${id}/events`, '5')).text());
    t.strictSame(rest, frames.slice(5));
    const over = await follow(`${url}/training-runs/${id}/events`, String(frames.length));
    t.equal(over.status, 204);
    const wrong = await get(`${url}/training-runs/none/events`);
    t.match(wrong, { status: 404 });
    t.equal((await follow(`${url}/training-runs/${id}/events`, '-1')).status, 400);
  });

  t.test('it is read and listed', async (t) => {
    const run = await get(`${url}/training-runs/${id}`);
    t.match(run, { status: 200, body: { state: 'succeeded', manifest: { corrections: Array, left_out: [] } } });
    t.equal(contractFault('getTrainingRun', run), undefined);
    await post(`${url}/training-runs`, { parameters: { epochs: 1 } });
    await training.idle();
    const first = await get(`${url}/training-runs?limit=1`);
    t.equal(contractFault('listTrainingRuns', first), undefined);
    const { items, next_cursor } = first.body as { items: { id: string }[]; next_cursor: string };
    t.equal(items.length, 1);
    t.not(items[0]?.id, id);
    t.match(await get(`${url}/training-runs?cursor=${next_cursor}`), { body: { items: [{ id }], next_cursor: null } });
    t.match(await get(`${url}/training-runs?cursor=bm8`), { status: 400 });
    const ended = await post(`${url}/training-runs/${id}/cancel`, '');
    t.match(ended, { status: 409 });
    t.equal(contractFault('cancelTrainingRun', ended), undefined);
  });
});

t.test('whoever follows a run is told as it happens, until it is cancelled or the app closes', async (t) => {
  const { training, database } = await openTraining(t, { encode: encoding(() => new Promise<never>(() => undefined)) });
  await addCorrections(database, 20);
  const { url, app } = await serve(t, { training });
  const start = async () => ((await post(`${url}/training-runs`, {})).body as { id: string }).id;
  const [first, second] = [await start(), await start()];
  await eventOf(training, first, ({ stage }) => stage === 'preparing');
  const stream = await follow(`${url}/training-runs/${first}/events`);
  const reading = stream.text();
  const cancelled = await post(`${url}/training-runs/${first}/cancel`, '');
  t.match(cancelled, { status: 200, body: { state: 'cancelled' } });
  t.equal(contractFault('cancelTrainingRun', cancelled), undefined);
  t.match(framesOf(await reading).at(-1), { data: { state: 'cancelled' } });
  await eventOf(training, second, ({ stage }) => stage === 'preparing');
  const other = (await follow(`${url}/training-runs/${second}/events`)).text();
  await app.close();
  t.match(framesOf(await other).at(-1), { data: { stage: 'preparing' } }, 'the stream ends with the app');
});

t.test('what a request may not ask for', async (t) => {
  const { training, database } = await openTraining(t, { recipe: { min_corrections: 100 } });
  await addCorrections(database, 20);
  const { url } = await serve(t, { training });
  const table: [body: unknown, status: number, pointer: string | null, detail: RegExp][] = [
    [{}, 409, null, /18 corrections are usable and 100 are needed/],
    [{ parameters: { r: 65 } }, 400, '/parameters/r', /at most 64/],
    [{ parameters: { epochs: 0 } }, 400, '/parameters/epochs', /at least 1/],
    [{ parameters: { epochs: '3' } }, 400, '/parameters/epochs', /an integer/],
    [{ parameters: { replay: 'all' } }, 400, '/parameters/replay', /none, confirmations/],
    [{ parameters: { target_modules: ['query'] } }, 400, '/parameters/target_modules/0', /query_proj/],
    [{ parameters: { max_tokens: 1024 } }, 400, '/parameters/max_tokens', /at most 512 \(ERRATA_MAX_TOKENS\)/],
    [{ parameters: { lr: 1 } }, 400, '/parameters/lr', /not known/],
    [{ forced: true }, 400, '/forced', /not known/],
    [{ exclude: ['../x'] }, 400, '/exclude/0', /must match/],
  ];
  for (const [body, status, pointer, detail] of table) {
    const answer = await post(`${url}/training-runs`, body);
    const told = pointer === null ? { detail } : { errors: [{ pointer, detail }] };
    t.match(answer, { status, body: told }, JSON.stringify(body));
    t.equal(contractFault('startTrainingRun', answer), undefined);
  }
  t.match(await post(`${url}/training-runs/none/cancel`, ''), { status: 404 });
});

t.test('a silent stream is kept open by comments', async (t) => {
  async function* events() {
    yield { id: 1, event: 'state', data: { line: 'a\nb' } };
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  let text = '';
  for await (const chunk of eventStream(events(), 10)) text += String(chunk);
  t.match(text, /^retry: 2000\n\nid: 1\nevent: state\ndata: \{"line":"a\\nb"\}\n\n(:\n\n)+$/);
});
