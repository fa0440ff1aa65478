import Type from 'typebox';

/** Both sides belong to the server at ERRATA_EMBED_URL: what it takes and answers passes through unread. */
export const EmbedRequest = Type.Object(
  { texts: Type.Array(Type.String()), batch_size: Type.Optional(Type.Integer({ minimum: 1 })) },
  { $id: 'EmbedRequest', examples: [{ texts: ['one text', 'another'], batch_size: 32 }] },
);

export const EmbedResponse = Type.Object(
  {
    ok: Type.Boolean(),
    embeddings: Type.Array(Type.Array(Type.Number())),
    error: Type.Optional(Type.Unsafe<string | null>({ type: ['string', 'null'] })),
  },
  { $id: 'EmbedResponse', examples: [{ ok: true, embeddings: [[0.1, 0.2]], error: null }] },
);
