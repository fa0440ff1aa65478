/** Headers that keep a browser from doing with an answer what it was not meant for. No CORS header is ever sent. */
import helmet from '@fastify/helmet';
import type { FastifyInstance } from 'fastify';

/** Nothing may be loaded, run, framed or sent from what is answered; pages for people bring their own, wider policy. */
const directives = {
  'default-src': ["'none'"],
  'base-uri': ["'none'"],
  'form-action': ["'none'"],
  'frame-ancestors': ["'none'"],
};

export async function secureHeaders(app: FastifyInstance): Promise<void> {
  await app.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives },
    frameguard: { action: 'deny' },
    // Whether there is HTTPS is known by whoever ends it, not here.
    hsts: false,
  });
}
