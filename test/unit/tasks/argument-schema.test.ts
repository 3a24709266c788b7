/** The JSON schema of an argument list. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { argumentSchema } from '#src/tasks/argument-schema.js';

describe('The schema of an argument list', () => {
  it('is that of each argument, and says how many are needed', () => {
    const schema = argumentSchema([z.string(), Number, z.object({ fast: z.boolean() }).optional()]);
    assert.deepEqual(schema?.minItems, 2);
    const [text, number, options] = (schema?.prefixItems ?? []) as { type?: string; required?: string[] }[];
    assert.deepEqual([text?.type, number?.type, options?.type], ['string', 'number', 'object']);
    assert.deepEqual(options?.required, ['fast']);
  });

  it('leaves open what it cannot say', () => {
    class Dto {}
    const schema = argumentSchema([Dto, z.string(), z.custom(() => true).transform((x) => x)]);
    assert.deepEqual(Object(schema?.prefixItems)[0], {});
    assert.equal(argumentSchema([]), undefined);
    assert.equal(argumentSchema([Dto, Object]), undefined);
  });

  it('is no reason to fail for a schema that throws', () => {
    const broken = {
      '~standard': {
        version: 1,
        vendor: 'own',
        validate: () => {
          throw new Error('not now');
        },
        jsonSchema: {
          input: () => {
            throw new Error('nor this');
          },
        },
      },
    };
    assert.equal(argumentSchema([broken]), undefined);
    assert.deepEqual(argumentSchema([broken, String]), {
      type: 'array',
      prefixItems: [{}, { type: 'string' }],
      minItems: 2,
    });
  });
});
