/** What a client would rather read: JSON, unless it asks for HTML by name. */

/** The weight that an Accept header gives a type by its own name (RFC 9110, 12.5.1); undefined when it does not name it. */
function weightOf(accept: string, type: string): number | undefined {
  for (const range of accept.split(',')) {
    const [name = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    if (name !== type) continue;
    const q = parameters.find((parameter) => parameter.startsWith('q='));
    return q === undefined ? 1 : Number(q.slice(2)) || 0;
  }
  return undefined;
}

/** `text/html` is named and weighs more than JSON does. Every browser asks so for a page; wildcards ask for nothing. */
export function prefersHtml(accept = ''): boolean {
  return (weightOf(accept, 'text/html') ?? 0) > (weightOf(accept, 'application/json') ?? 0);
}
