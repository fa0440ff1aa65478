/** HTML from values: whatever is filled in is text and is escaped, unless it was made here itself. */

export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type Filling = Markup | string | number | null | readonly Filling[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** For text and for attribute values in quotes. */
export const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');

function fill(filling: Filling): string {
  if (filling === null) return '';
  if (filling instanceof Markup) return filling.text;
  return typeof filling === 'object' ? filling.map(fill).join('') : escape(String(filling));
}

/** markup`<p>${text}</p>`: the template's own text is trusted, what it is filled with is not; null is nothing. */
export const markup = (parts: TemplateStringsArray, ...fillings: Filling[]): Markup =>
  new Markup(parts.map((part, at) => (at === 0 ? '' : fill(fillings[at - 1] ?? null)) + part).join(''));
