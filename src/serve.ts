/** The whole service put together: every part opened in the order it needs, and closed in the other. */
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { uuidv7 } from 'uuidv7';
import { openApplication } from './application.js';
import type { Config } from './config.js';
import type { Engine } from './engine/engine.js';
import { labelMap } from './labels.js';
import type { Log } from './log.js';
import { type Closers, openModel, openParts } from './open-parts.js';
import type { PrecisionReport } from './precision.js';
import { listenFault, naming } from './start-faults.js';

export interface Service {
  /** Where it listens, with the port it was given. */
  readonly url: string;
  /** There was no API key when it began: everybody on this machine may do everything. */
  readonly open: boolean;
  /** Answers what was accepted, then ends every part. */
  close(): Promise<void>;
}

/** Of the 25 s that a stop may take. */
const DRAIN_MS = 18_000;

/** Opens everything and listens. Rejects with an error that names the setting, the file or the key that is wrong. */
export async function serve(config: Config): Promise<Service> {
  const checkpoint = await naming('ERRATA_MODEL', openModel(config.model));
  const labels = labelMap(Object.fromEntries(checkpoint.config.id2label.entries()), config.labels ?? undefined);
  const closers: Closers = [];
  const close = async (): Promise<void> => {
    for (const end of closers.splice(0).toReversed()) await end();
  };
  try {
    const log = lateLog();
    const opened = await openParts(config, checkpoint, log, closers);
    const parts = { config, checkpoint, labels, log, newId: uuidv7, now: Date.now, monotonic, ...opened };
    const app = await openApplication(parts, closers);
    log.to = app.log;
    closers.push(() => drain(app, opened.engine));
    await listen(app, config);
    tellPrecision(app, opened.precision);
    if (opened.keys === 0) app.log.warn('there are no API keys: open to everybody on this machine');
    return { url: addressOf(app, config.host), open: opened.keys === 0, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function tellPrecision(app: FastifyInstance, { asked, used, int8 }: PrecisionReport): void {
  if (!int8) return;
  if (used === asked) app.log.info(int8, 'judging in int8');
  else app.log.warn(int8, 'int8 would change too many answers: judging in float32');
}

/** What waits is judged and answered; what could not be in time is told so, rather than cut off by the end of the process. */
async function drain(app: FastifyInstance, engine: Engine): Promise<void> {
  const hurry = setTimeout(() => void engine.close(), DRAIN_MS);
  await app.close();
  clearTimeout(hurry);
}

async function listen(app: FastifyInstance, { host, port }: Config): Promise<void> {
  await app.listen({ host, port }).catch((error: NodeJS.ErrnoException) => {
    throw listenFault(error, host, port);
  });
}

const monotonic = (): number => performance.now();

/** Parts are opened before the app whose log they write to. */
function lateLog(): Log & { to: Log | undefined } {
  return {
    to: undefined,
    info(fields, message) {
      this.to?.info(fields, message);
    },
    warn(fields, message) {
      this.to?.warn(fields, message);
    },
    error(fields, message) {
      this.to?.error(fields, message);
    },
  };
}

function addressOf(app: FastifyInstance, host: string): string {
  const { port } = app.server.address() as AddressInfo;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
