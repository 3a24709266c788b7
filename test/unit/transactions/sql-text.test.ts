import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isCeleriacError } from '#src/errors.js';
import { literal } from '#src/transactions/sql-text.js';

describe('A text in a statement', () => {
  it('is quoted, also where it has quotes and backslashes of its own', () => {
    assert.equal(literal('plain'), "'plain'");
    assert.equal(literal("it's"), "'it''s'");
    assert.equal(literal('a\\b'), " E'a\\\\b'");
    assert.equal(literal("\\'; DROP TABLE x; --"), " E'\\\\''; DROP TABLE x; --'");
    assert.equal(literal('$1 :name ?'), "'$1 :name ?'");
  });

  it('is refused where PostgreSQL could not store it', () => {
    for (const text of ['a\0b', '\ud800'])
      assert.throws(
        () => literal(text),
        (error: unknown) => isCeleriacError(error, 'OPTION'),
      );
  });
});
