/** The body of both worker threads of the service. */
import { serveWorker } from './serve.js';
import { units } from './units.js';

serveWorker(units);
