import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatCents } from '../src/money.js'
import { lineTotal, receipt, total } from '../src/receipt.js'

test('a line is price times quantity', () => {
  assert.equal(lineTotal({ priceCents: 250, quantity: 3 }), 750)
})

test('a discount is rounded to the nearest cent', () => {
  assert.equal(lineTotal({ priceCents: 999, quantity: 1, percentOff: 15 }), 849)
  assert.equal(lineTotal({ priceCents: 333, quantity: 1, percentOff: 50 }), 167)
})

test('the total is the sum of the lines', () => {
  const lines = [
    { name: 'Tea', priceCents: 399, quantity: 2, percentOff: 10 },
    { name: 'Cups', priceCents: 1250, quantity: 1, percentOff: 25 },
  ]
  assert.equal(total(lines), 1656)
  assert.equal(receipt(lines).split('\n').at(-1), 'Total  16.56')
})

test('cents are shown with two digits', () => {
  assert.equal(formatCents(5), '0.05')
})
