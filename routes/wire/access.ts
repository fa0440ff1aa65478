/** Who may call what: every route declares its roles, and no request gets past here without one of them. */
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import { Problem as ProblemSchema, problems } from '../../schemas/problems.js';
import type { Access } from '../../src/access.js';
import { Problem } from '../../src/errors.js';
import { OPEN, type Principal, type Role, ROLES, type RouteRoles } from '../../src/roles.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call the route; the app does not start with a route that does not say. */
    roles?: RouteRoles;
  }
  interface FastifyRequest {
    /** Who asks; on routes that are open to all it is not looked at. */
    principal: Principal;
  }
}

export const ANY_ROLE: RouteRoles = ROLES;

/** The security scheme of openapi.yaml. */
const API_KEY = 'api_key';

/** To be called before any route is registered. */
export function guardRoutes(app: FastifyInstance, access: Access): void {
  const routes: RouteOptions[] = [];
  app.decorateRequest('principal', null as unknown as Principal);
  app.addHook('onRoute', (route) => {
    routes.push(route);
    if (route.config?.roles !== undefined) describe(route, route.config.roles, route.config.rateLimit !== false);
  });
  app.addHook('onReady', async () => {
    const undeclared = routes.filter(({ config }) => config?.roles === undefined);
    if (undeclared.length === 0) return;
    const names = undeclared.map(({ method, url }) => `${String(method)} ${url}`);
    throw new Error(`routes that declare no roles: ${names.join(', ')}`);
  });
  app.addHook('onRequest', async (request, reply) => {
    request.principal = await enter(access, request, reply);
  });
}

/** Declares the routes that a plugin of others registers, in a scope of their own. */
export function declareRoles(app: FastifyInstance, roles: RouteRoles): void {
  app.addHook('onRoute', (route) => {
    route.config = { ...route.config, roles };
  });
}

async function enter(access: Access, request: FastifyRequest, reply: FastifyReply): Promise<Principal> {
  const { roles } = request.routeOptions.config;
  if (roles === 'open' || request.is404) return OPEN;
  const principal = await access.principal(request.headers).catch((error: unknown) => {
    if (error instanceof Problem && error.code === 'unauthorized') challenge(reply, request.headers.authorization);
    throw error;
  });
  if (principal.role === 'open' || roles?.includes(principal.role) === true) return principal;
  throw forbidden(reply, principal.role, roles ?? []);
}

/** RFC 6750, section 3: an error is named only when there was a key. */
function challenge(reply: FastifyReply, authorization: string | undefined): void {
  reply.header(
    'www-authenticate',
    `Bearer realm="errata"${authorization === undefined ? '' : ', error="invalid_token"'}`,
  );
}

function forbidden(reply: FastifyReply, role: Role, roles: readonly Role[]): Problem {
  const needed = roles.join(' ');
  reply.header('www-authenticate', `Bearer realm="errata", error="insufficient_scope", scope="${needed}"`);
  return new Problem('forbidden', `this needs the role ${roles.join(' or ')}, and the key has the role ${role}`);
}

/** What openapi.yaml says of it: any one of the roles suffices. */
function describe(route: RouteOptions, roles: RouteRoles, limited: boolean): void {
  const { schema } = route;
  if (schema === undefined || schema.hide === true) return;
  schema.security = roles === 'open' ? [] : roles.map((role) => ({ [API_KEY]: [role] }));
  if (roles === 'open') return;
  const answers = (schema.response ?? {}) as Record<number, { content: unknown }>;
  // The keys are read from the database: whatever a route does, it may fail before.
  const statuses = limited ? [401, 403, 429, 500, 503] : [401, 403, 500, 503];
  const refused = problems(ProblemSchema, ...statuses) as typeof answers;
  // The same shape as the route's other problems.
  const content = answers[500]?.content;
  for (const answer of Object.values(refused)) if (content !== undefined) answer.content = content;
  schema.response = { ...answers, ...refused };
}
