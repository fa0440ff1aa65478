/** A worker's life: the first message opens its file, then it serves until it is told to close. */
import { type MessagePort, parentPort } from 'node:worker_threads';
import { packFailure } from './failures.js';
import type { Units } from './group.js';
import type { Envelope, OpenRequest, Replies } from './messages.js';
import { openReader } from './reader.js';
import { openWriter, type Server } from './writer.js';

type Post = (replies: Replies) => void;

/** An output that cannot cross the threads' border is that unit's error; it must not keep the others from their answers. */
function poster(port: MessagePort): Post {
  return (message) => {
    try {
      port.postMessage(message);
    } catch {
      for (const reply of message.replies) postAlone(port, { ...message, replies: [reply] });
    }
  };
}

function postAlone(port: MessagePort, message: Replies): void {
  try {
    port.postMessage(message);
  } catch (error) {
    const failure = packFailure(error);
    port.postMessage({ ...message, replies: message.replies.map(({ id }) => ({ id, ok: false, failure })) });
  }
}

async function open(request: OpenRequest, units: Units, post: Post): Promise<Server> {
  return request.role === 'writer' ? await openWriter(request, units, post) : openReader(request, post);
}

/** Runs as the body of a worker thread, with the units of work that its writer knows. */
export function serveWorker(units: Units): void {
  if (parentPort === null) throw new Error('this file is the body of a worker thread');
  const port = parentPort;
  const post = poster(port);
  let server: Server | null = null;

  const control = async ({ id, request }: Envelope): Promise<void> => {
    const answer = (reply: Replies['replies'][number]) => post({ replies: [reply], group: false, stopped: null });
    try {
      if (request.kind === 'open') server = await open(request, units, post);
      else await server?.close();
      answer({ id, ok: true, output: null });
    } catch (error) {
      answer({ id, ok: false, failure: packFailure(error) });
    }
    if (request.kind === 'close') port.close();
  };

  port.on('message', (envelope: Envelope) => {
    if (envelope.request.kind === 'open' || envelope.request.kind === 'close') void control(envelope);
    else server?.handle(envelope);
  });
}
