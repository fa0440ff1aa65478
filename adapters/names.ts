/** The tensor names of a PEFT weights file. */
import { CLASSIFIER } from '../src/checkpoint/names.js';

const PREFIX = 'base_model.model.';

export const HEAD_WEIGHT = `${PREFIX}${CLASSIFIER}.weight`;
export const HEAD_BIAS = `${PREFIX}${CLASSIFIER}.bias`;

/** `module` by its name in the checkpoint. */
export const loraName = (module: string, side: 'A' | 'B'): string => `${PREFIX}${module}.lora_${side}.weight`;
