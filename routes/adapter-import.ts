import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { AdapterImport, RegisteredAdapter } from '../schemas/adapters.js';
import { Ref } from '../schemas/common.js';
import { Problem as ProblemSchema, problems } from '../schemas/problems.js';
import { Problem } from '../src/errors.js';
import type { Registry } from '../src/registry.js';
import { actorOf } from '../src/roles.js';

export interface AdapterImportOptions {
  readonly registry: Pick<Registry, 'import'>;
  /** The largest body of an import, in bytes. */
  readonly adapterBytes: number;
}

const MULTIPART = 'multipart/form-data';
const CONFIG = 'adapter_config.json';
const WEIGHTS = 'adapter_model.safetensors';

export const importAdapter: FastifyPluginAsyncTypebox<AdapterImportOptions> = async (
  app,
  { registry, adapterBytes },
) => {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(MULTIPART, { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.addContentTypeParser('*', (_request, _payload, done) => {
    const detail = `send the files as ${MULTIPART}, in parts named ${CONFIG} and ${WEIGHTS}`;
    done(new Problem('unsupported-media-type', detail));
  });
  app.post(
    '/adapters',
    {
      config: { roles: ['operator'] },
      schema: {
        operationId: 'importAdapter',
        summary: "Takes in a PEFT directory's two files",
        tags: ['adapters'],
        body: { content: { [MULTIPART]: { schema: Ref(AdapterImport) } } },
        response: {
          200: Ref(RegisteredAdapter, 'The same adapter was here already.'),
          201: Ref(RegisteredAdapter, 'It is registered, and not active.'),
          ...problems(ProblemSchema, 400, 413, 415, 422, 500, 503),
        },
      },
      bodyLimit: adapterBytes,
      validatorCompiler: () => () => true,
    },
    async (request, reply) => {
      const { adapter, created } = await registry.import(await filesOf(request), actorOf(request.principal));
      return reply
        .code(created ? 201 : 200)
        .header('location', `/adapters/${adapter.id}`)
        .send({ ...adapter, target_modules: [...adapter.target_modules] });
    },
  );
};

async function filesOf(request: FastifyRequest): Promise<{ config: Uint8Array; weights: Uint8Array }> {
  const form = await formOf(request);
  const stranger = [...form.keys()].find((name) => name !== CONFIG && name !== WEIGHTS);
  if (stranger !== undefined) throw malformed('', `has a part that is neither ${CONFIG} nor ${WEIGHTS}`);
  return { config: await fileOf(form, CONFIG), weights: await fileOf(form, WEIGHTS) };
}

/** Node's own reader of multipart bodies. */
async function formOf({ body, headers }: FastifyRequest): Promise<FormData> {
  if (!(body instanceof Uint8Array)) throw malformed('', 'is missing');
  try {
    return await new Response(body, { headers: { 'content-type': headers['content-type'] ?? '' } }).formData();
  } catch {
    throw malformed('', `is not ${MULTIPART} with the boundary that content-type names`);
  }
}

async function fileOf(form: FormData, name: string): Promise<Uint8Array> {
  const [file, ...others] = form.getAll(name);
  if (file === undefined) throw malformed(`/${name}`, 'is missing');
  if (others.length > 0) throw malformed(`/${name}`, 'stands twice');
  if (typeof file === 'string') throw malformed(`/${name}`, 'is not sent as a file: its part needs a filename');
  return new Uint8Array(await file.arrayBuffer());
}

const malformed = (pointer: string, detail: string): Problem =>
  new Problem('invalid-request', `${pointer === '' ? 'the body' : pointer.slice(1)} ${detail}`, {
    errors: [{ pointer, detail }],
  });
