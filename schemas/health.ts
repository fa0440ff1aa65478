import Type, { type Static } from 'typebox';
import { closed } from './common.js';

export const Health = Type.Object(
  {
    status: Type.Unsafe<'ok'>({ type: 'string', enum: ['ok'] }),
    models_loaded: Type.Object({ nli: Type.Boolean(), embedding: Type.Boolean() }, closed),
  },
  { ...closed, $id: 'Health', examples: [{ status: 'ok', models_loaded: { nli: true, embedding: false } }] },
);
export type Health = Static<typeof Health>;

export const Probe = Type.Object(
  { status: Type.Unsafe<'ok'>({ type: 'string', enum: ['ok'] }) },
  { ...closed, $id: 'Probe', examples: [{ status: 'ok' }] },
);
export type Probe = Static<typeof Probe>;
