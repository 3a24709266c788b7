import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BrokerError } from 'celeriac';
import { inlined, literal } from '#src/broker/postgres/literal.js';

describe('A literal', () => {
  it('is quoted, and an escape string only where there is a backslash', () => {
    assert.equal(literal('plain'), "'plain'");
    assert.equal(literal("it's"), "'it''s'");
    assert.equal(literal("\\' OR 1=1 --"), "E'\\\\'' OR 1=1 --'");
    assert.equal(literal(''), "''");
  });

  it('has no type: numbers and booleans are text too, and NULL is none', () => {
    assert.equal(literal(1.5), "'1.5'");
    assert.equal(literal(12n), "'12'");
    assert.equal(literal(false), "'false'");
    assert.equal(literal(null), 'NULL');
    assert.equal(literal(undefined), 'NULL');
    assert.equal(
      literal(['a', 'b"c', 'd\\e', "f'", null, '']),
      `E'{"a","b\\\\"c","d\\\\\\\\e","f''",NULL,""}'`,
    );
  });

  it('leaves out characters that a library would interpret', () => {
    assert.equal(literal('a?b', '?'), "E'a\\x3fb'");
    assert.equal(literal('a?\\b', '?'), "E'a\\x3f\\\\b'");
    assert.equal(literal('ab', '?'), "'ab'");
  });

  it('is refused for what PostgreSQL cannot hold', () => {
    for (const value of ['a\0b', '\ud800', {}, Symbol('a')]) assert.throws(() => literal(value), BrokerError);
  });

  it('replaces parameters once, whatever stands in the values', () => {
    assert.equal(inlined('f($1, $2::text, $1, $10)', ['$2', '$1']), "f('$2', '$1'::text, '$2', NULL)");
  });
});
