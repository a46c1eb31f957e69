import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCsv } from './src/csv.js'

test('plain', () => assert.deepEqual(parseCsv('a,b\nc,d\n'), [['a', 'b'], ['c', 'd']]))
test('quotes', () => assert.deepEqual(parseCsv('"a,b","c""d"\r\n"x\ny",'), [['a,b', 'c"d'], ['x\ny', '']]))
test('empty fields and no end', () => assert.deepEqual(parseCsv(',\na'), [['', ''], ['a']]))
test('nothing', () => assert.deepEqual(parseCsv(''), []))
