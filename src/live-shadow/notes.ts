/** What both adapters said, on its way to disk: whatever comes while one write is under way goes into the next. */
import { answerOf } from '../compare/rows.js';
import type { Database } from '../db/database.js';
import type { Disagreement, LabelPair, NoteShadowInput } from '../db/live-shadows.js';
import type { Judgement } from '../judge/judgement.js';
import type { CheckpointLabel, Label } from '../labels.js';

export type Outcome = 'agreed' | 'disagreed' | 'dropped' | 'failed';

/** Of one sampled row; undefined: it was not sampled. */
export type Told = Float32Array | 'dropped' | 'failed' | undefined;

export interface NotesParts {
  readonly database: Pick<Database, 'run'>;
  readonly labels: readonly CheckpointLabel[];
  readonly counted: (outcome: Outcome, pairs: number) => void;
  /** Told of a write that failed; what it held is not counted. */
  readonly failed: (error: unknown) => void;
}

export interface ShadowNotes {
  /** What the client was told of each row, and what came of it besides. Returns at once. */
  add(shadow: number, judgements: readonly Judgement[], told: readonly Told[]): void;
  /** Resolves when all that was added is on disk, or lost. */
  flush(): Promise<void>;
}

interface Note {
  readonly outcome: Outcome;
  readonly labels: readonly [active: Label, candidate: Label] | null;
  readonly disagreement: Disagreement | null;
}

export function openNotes(parts: NotesParts): ShadowNotes {
  const waiting: { readonly shadow: number; readonly notes: readonly Note[] }[] = [];
  let writing: Promise<void> | null = null;
  const write = async (): Promise<void> => {
    for (;;) {
      const [first] = waiting;
      if (first === undefined) break;
      const same = waiting.filter(({ shadow }) => shadow === first.shadow);
      waiting.splice(0, waiting.length, ...waiting.filter(({ shadow }) => shadow !== first.shadow));
      const input = inputOf(
        first.shadow,
        same.flatMap(({ notes }) => notes),
      );
      await parts.database.run('noteLiveShadow', input).catch(parts.failed);
    }
    writing = null;
  };
  return {
    add(shadow, judgements, told) {
      const notes = judgements.flatMap((judgement, at) => noteOf(parts.labels, judgement, told[at]));
      for (const { outcome } of notes) parts.counted(outcome, 1);
      if (notes.length === 0) return;
      waiting.push({ shadow, notes });
      writing ??= write();
    },
    flush: async () => writing ?? undefined,
  };
}

/** None for a pair that the active adapter itself gave no answer to. */
function noteOf(labels: readonly CheckpointLabel[], judgement: Judgement, told: Told): Note[] {
  if (told === undefined || judgement.error !== null) return [];
  if (told === 'dropped' || told === 'failed') return [{ outcome: told, labels: null, disagreement: null }];
  const { label, confidence, scores } = answerOf(labels, told, 'new');
  const { prediction_id } = judgement;
  const agreed = label === judgement.label;
  const disagreement = agreed || prediction_id === null ? null : { prediction_id, label, confidence, scores };
  return [{ outcome: agreed ? 'agreed' : 'disagreed', labels: [judgement.label, label], disagreement }];
}

function inputOf(shadow_seq: number, notes: readonly Note[]): NoteShadowInput {
  const counts = new Map<string, LabelPair>();
  for (const { labels } of notes) {
    if (labels === null) continue;
    const [active_label, candidate_label] = labels;
    const pairs = (counts.get(labels.join())?.pairs ?? 0) + 1;
    counts.set(labels.join(), { active_label, candidate_label, pairs });
  }
  const of = (sought: Outcome): number => notes.filter(({ outcome }) => outcome === sought).length;
  const disagreements = notes.flatMap(({ disagreement }) => disagreement ?? []);
  return { shadow_seq, counts: [...counts.values()], dropped: of('dropped'), failed: of('failed'), disagreements };
}
