/** What of tokenizer.json is used, checked: whatever Errata does not encode as the Rust library would is refused by name. */
import { type Fields, fieldsOf, idOf, listOf, numberOf, textOf } from './fields.js';
import type { UnigramConfig } from './library.js';

export interface Metaspace {
  readonly replacement: string;
  /** Whether a text gets the replacement in front where it does not begin with it. */
  readonly prepend: boolean;
}

/** What the checkpoint calls [CLS] and [SEP]. */
export interface TokenNames {
  readonly cls: string;
  readonly sep: string;
}

export interface Definition {
  readonly clsId: number;
  readonly sepId: number;
  readonly normalizer: unknown;
  readonly metaspace: Metaspace;
  readonly model: UnigramConfig;
  readonly byteFallback: boolean;
}

interface AddedToken {
  readonly id: number;
  readonly content: string;
}

/** Pieces hold no plain space (Metaspace replaced it), so a vocabulary entry renamed with one matches no text. */
const UNMATCHABLE = ' ';

function readAddedTokens(json: Fields): AddedToken[] {
  return listOf(json['added_tokens'] ?? [], 'added_tokens').map((entry) => {
    const fields = fieldsOf(entry, 'added_tokens');
    const content = textOf(fields['content'], 'added_tokens.content');
    if (fields['special'] !== true) throw new Error(`added token ${content} is not special, which is not supported`);
    return { content, id: idOf(fields['id'], 'added_tokens.id') };
  });
}

/** tokenizer_config.json names a token by its content, or by an object that holds it. */
function readName(config: Fields, key: string, otherwise: string): string {
  const value = config[key] ?? otherwise;
  return typeof value === 'string' ? value : textOf(fieldsOf(value, key)['content'], `${key}.content`);
}

/** Reads a parsed tokenizer_config.json. Throws an Error that names the field. */
export function readNames(config: unknown): TokenNames {
  const fields = fieldsOf(config, 'the file');
  return { cls: readName(fields, 'cls_token', '[CLS]'), sep: readName(fields, 'sep_token', '[SEP]') };
}

function findToken(tokens: readonly AddedToken[], name: string): number {
  const token = tokens.find(({ content }) => content === name);
  if (token === undefined) throw new Error(`added_tokens has no ${name}`);
  return token.id;
}

/** The ids that a TemplateProcessing puts around a pair, with the sequences' names between them. */
function readTemplate(post: Fields): string {
  const special = fieldsOf(post['special_tokens'], 'post_processor.special_tokens');
  const steps = listOf(post['pair'], 'post_processor.pair').map((step) => {
    const { Sequence, SpecialToken } = fieldsOf(step, 'post_processor.pair');
    if (Sequence !== undefined) return textOf(fieldsOf(Sequence, 'Sequence')['id'], 'Sequence.id');
    const name = textOf(fieldsOf(SpecialToken, 'SpecialToken')['id'], 'SpecialToken.id');
    return listOf(fieldsOf(special[name], `special_tokens.${name}`)['ids'], `special_tokens.${name}.ids`).join(' ');
  });
  return steps.join(' ');
}

function checkPostProcessor(post: unknown, cls: number, sep: number): void {
  if (post === null || post === undefined) return;
  const fields = fieldsOf(post, 'post_processor');
  const type = textOf(fields['type'], 'post_processor.type');
  if (type !== 'TemplateProcessing') throw new Error(`post_processor type ${type} is not supported`);
  const template = readTemplate(fields);
  if (template !== `${cls} A ${sep} B ${sep}`)
    throw new Error(`post_processor makes "${template}" of a pair, not [CLS] A [SEP] B [SEP]`);
}

/** Older files say `add_prefix_space`; `first` and `always` are one thing where a text is a single section. */
function readMetaspace(config: unknown): Metaspace {
  const fields = fieldsOf(config, 'pre_tokenizer');
  const type = textOf(fields['type'], 'pre_tokenizer.type');
  const inner = type === 'Sequence' ? listOf(fields['pretokenizers'], 'pre_tokenizer.pretokenizers') : [];
  if (inner.length === 1) return readMetaspace(inner[0]);
  if (type !== 'Metaspace') throw new Error(`pre_tokenizer type ${type} is not supported`);
  if (fields['split'] === false) throw new Error('pre_tokenizer.split false is not supported');
  const replacement = textOf(fields['replacement'], 'pre_tokenizer.replacement');
  if (replacement.length !== 1 || replacement === ' ')
    throw new Error('pre_tokenizer.replacement is not a mark of its own');
  return { replacement, prepend: fields['prepend_scheme'] !== 'never' && fields['add_prefix_space'] !== false };
}

/** The vocabulary, in which no special token can be met in a text: there it is the pieces of its characters. */
function readModel(model: Fields, added: readonly AddedToken[]): UnigramConfig {
  const type = textOf(model['type'], 'model.type');
  if (type !== 'Unigram') throw new Error(`model type ${type} is not supported (Unigram is)`);
  const special = new Set(added.map((token) => token.content));
  const unkId = idOf(model['unk_id'], 'model.unk_id');
  const vocab = listOf(model['vocab'], 'model.vocab').map((entry, id): [string, number] => {
    const [piece, score] = listOf(entry, 'model.vocab');
    const text = textOf(piece, 'model.vocab');
    return [id === unkId || special.has(text) ? UNMATCHABLE + text : text, numberOf(score, 'model.vocab')];
  });
  if (unkId >= vocab.length) throw new Error(`model.unk_id ${unkId} is outside the vocabulary`);
  return { type: 'Unigram', unk_id: unkId, vocab };
}

/** Reads a parsed tokenizer.json. Throws an Error that names what is missing or not supported. */
export function readDefinition(json: unknown, names: TokenNames): Definition {
  const fields = fieldsOf(json, 'the file');
  const model = fieldsOf(fields['model'], 'model');
  const added = readAddedTokens(fields);
  const clsId = findToken(added, names.cls);
  const sepId = findToken(added, names.sep);
  checkPostProcessor(fields['post_processor'], clsId, sepId);
  return {
    clsId,
    sepId,
    normalizer: fields['normalizer'],
    metaspace: readMetaspace(fields['pre_tokenizer']),
    model: readModel(model, added),
    byteFallback: model['byte_fallback'] === true,
  };
}
