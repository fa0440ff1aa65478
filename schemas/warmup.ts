import Type, { type Static } from 'typebox';
import { closed } from './common.js';

export const Warmup = Type.Object(
  { ok: Type.Boolean(), message: Type.String() },
  { ...closed, $id: 'Warmup', examples: [{ ok: true, message: 'the model is loaded and has judged once' }] },
);
export type Warmup = Static<typeof Warmup>;
