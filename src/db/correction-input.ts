/** What a client says of a pair, in one of three forms; what is wrong with it; and its digest. */
import type { Label } from '../labels.js';
import { LIMITS } from '../limits.js';
import type { ProblemCode } from '../errors.js';
import type { ItemError } from './correction-rows.js';
import { normaliseText, sha256 } from './pair-key.js';
import type { ConfidenceSource, ReviewSource } from './schema.js';

export interface CorrectionInput {
  readonly prediction_id?: string | null;
  readonly pair_id?: string | null;
  readonly premise?: string;
  readonly nli_hypothesis?: string;
  readonly original_label?: Label;
  readonly original_confidence?: number;
  readonly correct_label: Label;
  readonly page_id?: string | null;
  readonly edge_id?: string | null;
  readonly external_id?: string | null;
  readonly reviewer?: string | null;
  readonly reason?: string | null;
  readonly review_source?: ReviewSource;
  /** With an id it is a row of an export, which comes back as it was. */
  readonly id?: string;
  readonly created_at?: string;
  readonly confidence_source?: ConfidenceSource;
  readonly original_raw_label?: string | null;
  readonly model_digest?: string | null;
  readonly adapter_digest?: string | null;
  readonly content_sha256?: string;
}

export type Form = 'restored' | 'prediction' | 'pair_id' | 'full';

export function formOf(input: CorrectionInput): Form {
  if (input.id !== undefined) return 'restored';
  if (input.prediction_id != null) return 'prediction';
  return input.premise === undefined && input.nli_hypothesis === undefined && input.pair_id != null
    ? 'pair_id'
    : 'full';
}

export function itemError(code: ProblemCode, pointer: string, detail: string): ItemError {
  const told = pointer === '' ? detail : `${pointer} ${detail}`;
  return { code, detail: told, errors: [{ pointer, detail }] };
}

const wrong = (pointer: string, detail: string): ItemError => itemError('unprocessable', pointer, detail);

/** What the record of a judgement tells, so the client may not. */
const OF_THE_RECORD = ['pair_id', 'premise', 'nli_hypothesis', 'original_label', 'original_confidence'] as const;

function textFault(name: 'premise' | 'nli_hypothesis', text: string | undefined): ItemError | null {
  if (text === undefined)
    return wrong(`/${name}`, 'is missing: name a prediction_id, a pair_id, or give premise and nli_hypothesis');
  if (normaliseText(text) === '') return wrong(`/${name}`, 'is empty');
  const most = LIMITS.characters_per_text;
  return text.length > most ? wrong(`/${name}`, `has ${text.length} characters, at most ${most} are taken`) : null;
}

function originalFault({ original_label, original_confidence }: CorrectionInput): ItemError | null {
  if ((original_label === undefined) === (original_confidence === undefined)) return null;
  const missing = original_label === undefined ? 'original_label' : 'original_confidence';
  return wrong(`/${missing}`, 'is missing: original_label and original_confidence go together');
}

function recordFault(input: CorrectionInput, names: readonly (typeof OF_THE_RECORD)[number][], by: string) {
  const given = names.find((name) => input[name] != null);
  return given === undefined ? null : wrong(`/${given}`, `comes from the record when a ${by} is given: leave it out`);
}

/** What no schema tells: members that do not go together, and empty texts. */
export function inputFault(input: CorrectionInput): ItemError | null {
  switch (formOf(input)) {
    case 'prediction':
      return recordFault(input, OF_THE_RECORD, 'prediction_id');
    case 'pair_id':
      return recordFault(input, ['original_label', 'original_confidence'], 'pair_id');
    case 'restored':
      return (
        textFault('premise', input.premise) ?? textFault('nli_hypothesis', input.nli_hypothesis) ?? restoredFault(input)
      );
    case 'full':
      return (
        textFault('premise', input.premise) ?? textFault('nli_hypothesis', input.nli_hypothesis) ?? originalFault(input)
      );
  }
}

function restoredFault(input: CorrectionInput): ItemError | null {
  const needed = [
    'original_label',
    'original_confidence',
    'created_at',
    'confidence_source',
    'reviewer',
    'content_sha256',
  ] as const;
  const missing = needed.find((name) => input[name] == null);
  return missing === undefined
    ? null
    : wrong(`/${missing}`, 'is missing: a row with an id is a row of an export, whole');
}

/** SHA-256 of everything said but the external_id, whatever the order of members; null is the same as not said. */
export function contentDigest(input: CorrectionInput, reviewer: string): string {
  if (input.content_sha256 !== undefined) return input.content_sha256;
  const { external_id: _, ...said } = { review_source: 'volunteered', ...input, reviewer };
  const entries = Object.entries(said).filter(([, value]) => value != null);
  return sha256(JSON.stringify(entries.sort(([a], [b]) => (a < b ? -1 : 1))));
}
