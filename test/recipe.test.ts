import t from 'tap';
import { checkRecipe, layered, RECIPE_DEFAULTS, RECIPE_KEYS, recipeFault } from '../src/recipe.js';

t.test('the defaults are within their own limits', async (t) => {
  for (const key of RECIPE_KEYS) t.equal(recipeFault(key, RECIPE_DEFAULTS[key]), undefined, key);
  t.match(RECIPE_DEFAULTS, {
    r: 8,
    lora_alpha: 16,
    lora_dropout: 0.1,
    seed: 42,
    min_confidence: 0.8,
    min_corrections: 100,
  });
});

t.test('a later layer wins, and what it leaves out stays', async (t) => {
  const recipe = layered({ epochs: 6, learning_rate: 0.003 }, { epochs: 2 });
  t.strictSame(recipe, { ...RECIPE_DEFAULTS, epochs: 2, learning_rate: 0.003 });
});

t.test('each fault is told with its limit', async (t) => {
  const table: [given: unknown, pointer: string, detail: RegExp][] = [
    [{ r: 0 }, '/p/r', /^must be an integer from 1 to 64$/],
    [{ r: 8.5 }, '/p/r', /an integer/],
    [{ r: '8' }, '/p/r', /an integer/],
    [{ lora_alpha: 0 }, '/p/lora_alpha', /a number from 0.001 to 1024/],
    [{ lora_dropout: 1 }, '/p/lora_dropout', /from 0 to 0.9/],
    [{ learning_rate: Number.NaN }, '/p/learning_rate', /a number from 1e-8 to 1/],
    [{ learning_rate: null }, '/p/learning_rate', /a number/],
    [{ target_modules: [] }, '/p/target_modules', /a list of different words out of query_proj, key_proj/],
    [{ target_modules: ['query'] }, '/p/target_modules', /query_proj/],
    [{ target_modules: ['key_proj', 'key_proj'] }, '/p/target_modules', /different/],
    [{ target_modules: 'key_proj' }, '/p/target_modules', /a list/],
    [{ replay: 'all' }, '/p/replay', /^must be one of none, confirmations$/],
    [
      { layers_to_transform: [] },
      '/p/layers_to_transform',
      /^must be null or a list of different layer numbers from 0 to 255$/,
    ],
    [{ layers_to_transform: [1, 1] }, '/p/layers_to_transform', /different/],
    [{ layers_to_transform: [-1] }, '/p/layers_to_transform', /from 0/],
    [{ layers_to_transform: ['1'] }, '/p/layers_to_transform', /numbers/],
    [{ layers_to_transform: 3 }, '/p/layers_to_transform', /a list/],
    [{ precision: 'int4' }, '/p/precision', /^must be one of float32, int8_backward, int8_forward, int8$/],
    [{ seed: -1 }, '/p/seed', /from 0 to 2147483647/],
    [{ lr: 1 }, '/p/lr', /^is not known; known are r, lora_alpha/],
    [{ __proto__: null, constructor: 1 }, '/p/constructor', /not known/],
    [[], '/p/', /must be an object/],
    [null, '/p/', /must be an object/],
  ];
  for (const [given, pointer, detail] of table)
    t.throws(
      () => checkRecipe(given, '/p/'),
      { code: 'invalid-request', errors: [{ pointer, detail }] },
      JSON.stringify(given),
    );
  t.throws(() => checkRecipe({ r: 65, epochs: 0 }, ''), { message: /^r must .*; epochs must / });
});
