/** Who infers: Errata at each precision, at its engine and over HTTP, and each peer that this machine has. */
import path from 'node:path';
import type { Checkpoint } from '../../src/checkpoint/checkpoint.js';
import { type EngineOptions, openEngine } from '../../src/engine/engine.js';
import { type PairTexts, type Text, openText } from '../../src/text/text.js';
import { judge, startServer } from '../support/server.js';
import type { Answer, Peer, Question } from './peer.js';

export type Rows = readonly Int32Array[];

export interface Contender {
  readonly name: string;
  /** How many pairs it is given at once where many wait. */
  readonly batch: number;
  /** Fewer rows are not for it: it would leave cores idle. */
  readonly least: number;
  /** Sequences that are already tokenised. */
  tokens?(rows: Rows): Promise<Answer>;
  texts?(pairs: readonly PairTexts[]): Promise<Answer>;
  close(): Promise<void>;
}

export interface Precision {
  /** As ERRATA_PRECISION names it. */
  readonly name: string;
  readonly engine: Partial<EngineOptions>;
  readonly env: Readonly<Record<string, string>>;
}

/** The precisions of Errata's engine that are measured: a row for each. */
export const PRECISIONS: readonly Precision[] = [
  { name: 'float32', engine: {}, env: {} },
  // random weights do not agree with their codes as trained ones do
  { name: 'int8', engine: { precision: 'int8' }, env: { ERRATA_PRECISION: 'int8', ERRATA_INT8_MIN_AGREEMENT: '0' } },
];

/** What a peer gets at once, in the order of arrival. */
const PEER_BATCH = 32;
const PAIRS_OF_A_REQUEST = 32;
const MAX_TOKENS = 512;

export async function errataEngine(checkpoint: Checkpoint, { name, engine: options }: Precision): Promise<Contender> {
  const text = await openText(tokenizerOf(checkpoint.directory));
  const engine = await openEngine(checkpoint, options);
  const tokens = (rows: Rows): Promise<Answer> =>
    timed(async () => (await engine.classify(rows)).map((logits) => [...logits!]));
  return {
    name: `Errata ${name}`,
    batch: Number.POSITIVE_INFINITY,
    least: 1,
    tokens,
    texts: (pairs) => timed(async () => (await engine.classify(await idsOf(text, pairs))).map((row) => [...row!])),
    close: async () => void (await Promise.all([engine.close(), text.close()])),
  };
}

export const tokenizerOf = (folder: string) => ({
  tokenizerPath: path.join(folder, 'tokenizer.json'),
  tokenizerConfigPath: path.join(folder, 'tokenizer_config.json'),
  maxTokens: MAX_TOKENS,
});

/** Token ids of pairs that the tokenizer takes. */
export async function idsOf(text: Text, pairs: readonly PairTexts[]): Promise<Int32Array[]> {
  const encoded = await text.encode(pairs);
  return encoded.map((one) => {
    if ('ids' in one) return one.ids;
    throw new Error(one.detail);
  });
}

/** The whole service, with several requests on their way where there are many pairs. */
export async function errataHttp(folder: string, { name, env }: Precision): Promise<Contender> {
  const server = await startServer({ ERRATA_MODEL: folder, ERRATA_RECORD: 'off', ...env });
  const send = async (pairs: readonly PairTexts[]): Promise<void> => {
    const bodies = chunks(pairs, PAIRS_OF_A_REQUEST);
    await Promise.all(bodies.map((body) => judge(server.url, body.map(wire))));
  };
  return {
    name: `Errata ${name}, HTTP`,
    batch: Number.POSITIVE_INFINITY,
    least: 1,
    texts: (pairs) => timed(() => send(pairs)),
    close: () => server.stop(),
  };
}

const wire = ({ premise, hypothesis }: PairTexts) => ({ premise, nli_hypothesis: hypothesis });

/** One model of a peer. */
export function peerContender(name: string, peer: Peer, model: string, hasTokenizer: boolean): Contender {
  const texts = (pairs: readonly PairTexts[]): Promise<Answer> =>
    peer.ask({ kind: 'texts', model, pairs: pairs.map(({ premise, hypothesis }) => [premise, hypothesis]) });
  return {
    name,
    batch: PEER_BATCH,
    least: 1,
    tokens: (rows) => peer.ask({ kind: 'tokens', model, rows: rows.map((row) => [...row]) } satisfies Question),
    ...(hasTokenizer ? { texts } : {}),
    close: async () => peer.close(),
  };
}

/** One model of a peer in several processes, each of which gets its share of the rows. */
export function sharedContender(name: string, peers: readonly Peer[], model: string): Contender {
  const alone = peers.map((peer) => peerContender(name, peer, model, true));
  const shared = async <T>(rows: readonly T[], run: (one: Contender, share: readonly T[]) => Promise<Answer>) => {
    const shares = chunks(rows, Math.ceil(rows.length / peers.length));
    const answers = await Promise.all(shares.map((share, i) => run(alone[i]!, share)));
    return { ms: Math.max(...answers.map(({ ms }) => ms)), logits: answers.flatMap(({ logits }) => logits ?? []) };
  };
  return {
    name,
    batch: PEER_BATCH * peers.length,
    least: peers.length,
    tokens: (rows) => shared(rows, (one, share) => one.tokens!(share)),
    texts: (pairs) => shared(pairs, (one, share) => one.texts!(share)),
    close: async () => void (await Promise.all(alone.map((one) => one.close()))),
  };
}

async function timed(work: () => Promise<number[][] | void>): Promise<Answer> {
  const started = performance.now();
  const logits = await work();
  const ms = performance.now() - started;
  return logits ? { ms, logits } : { ms };
}

export function chunks<T>(items: readonly T[], size: number): T[][] {
  const step = Math.min(size, items.length);
  return Array.from({ length: Math.ceil(items.length / step) }, (_, i) => items.slice(i * step, (i + 1) * step));
}
