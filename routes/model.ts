import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Ref } from '../schemas/common.js';
import { Model, ModuleList } from '../schemas/model.js';
import { Problem, problems } from '../schemas/problems.js';
import type { LinearModule } from '../src/checkpoint/modules.js';
import type { AdapterRef } from '../src/judge/judge.js';
import type { CheckpointLabel } from '../src/labels.js';
import { LIMITS } from '../src/limits.js';
import type { PrecisionReport } from '../src/precision.js';
import { ANY_ROLE } from './wire/access.js';

export interface CheckpointInfo {
  readonly name: string;
  readonly digest: string;
  /** SHA-256 of each file by its name. */
  readonly files: Readonly<Record<string, string>>;
  /** What each logit stands for. */
  readonly labels: readonly CheckpointLabel[];
  readonly max_tokens: number;
  readonly precision: PrecisionReport;
}

export interface ModelOptions {
  checkpoint(): CheckpointInfo;
  modules(): readonly LinearModule[];
  activeAdapter(): Promise<AdapterRef | null>;
}

export const model: FastifyPluginAsyncTypebox<ModelOptions> = async (app, { checkpoint, modules, activeAdapter }) => {
  app.get(
    '/model',
    {
      config: { roles: ANY_ROLE },
      schema: {
        operationId: 'getModel',
        summary: 'What answers: base model, labels, active adapter, limits',
        tags: ['model'],
        response: { 200: Ref(Model, 'The model.'), ...problems(Problem, 500) },
      },
    },
    async (): Promise<Model> => {
      const { name, digest, files, labels, max_tokens, precision } = checkpoint();
      return {
        model: name,
        digest,
        files: { ...files },
        labels: labels.map((label, index) => ({ index, ...label })),
        precision,
        adapter: await activeAdapter(),
        limits: { ...LIMITS, max_tokens },
      };
    },
  );
  app.get(
    '/model/modules',
    {
      config: { roles: ANY_ROLE },
      schema: {
        operationId: 'listModules',
        summary: 'Every Linear of the base model, and whether LoRA may adapt it',
        tags: ['model'],
        response: { 200: Ref(ModuleList, 'The modules, in the order of the checkpoint.'), ...problems(Problem, 500) },
      },
    },
    async (): Promise<ModuleList> => ({ items: modules().map((module) => ({ ...module, shape: [...module.shape] })) }),
  );
};
