/** What openapi.yaml says beside the routes. */
import { packageVersion } from './package.js';

export const openApiInfo = {
  openapi: '3.1.0',
  info: {
    title: 'Errata',
    version: packageVersion(),
    description: [
      'Judges whether a premise supports, refutes or leaves open a hypothesis, and learns from being corrected.',
      '',
      'Bodies are strict JSON in UTF-8: nothing is coerced, unknown fields, NUL and lone surrogates are refused with a',
      'pointer to the field; of a key given twice the last counts. Errors are `application/problem+json` (RFC 9457);',
      'GET /problems lists their types. An unknown path is answered 404, a known one under another method 405 with',
      '`Allow`, and 429 and 503 carry `Retry-After`.',
    ].join('\n'),
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  servers: [{ url: '/' }],
  components: {
    securitySchemes: {
      api_key: {
        type: 'http' as const,
        scheme: 'bearer',
        description: [
          '`Authorization: Bearer errata_<role>_<id>_<secret>`, from `errata keys create`. An operation lists the roles',
          'that may call it, any one of which suffices. A service without any key listens on loopback only and is open.',
        ].join('\n'),
      },
    },
  },
  tags: [
    { name: 'judging', description: 'Pairs in, labels out' },
    { name: 'predictions', description: 'What was judged' },
    { name: 'training', description: 'What is learnt from corrections' },
    { name: 'model', description: 'What judges' },
    { name: 'adapters', description: 'What was learnt, and whether to trust it' },
    { name: 'erasures', description: 'What must not be kept' },
    { name: 'webhooks', description: 'What others are told' },
    { name: 'embedding', description: 'Passed on to another server' },
    { name: 'audit', description: 'Who did what' },
    { name: 'health', description: 'Is it up, and how is it' },
  ],
};
