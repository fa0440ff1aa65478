/** The golden check's training half: loss and gradients of one batch, and a dozen AdamW steps, against PEFT's. */
import path from 'node:path';
import type { Adapter } from '../adapters/format.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
