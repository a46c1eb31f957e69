/** What every ledger must do: never more granted than there is, whoever asks, however often. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RESERVED_MS_MAX } from '../../functions/core/limits.ts'
import type { Ledger } from '../../functions/ports.ts'

export type LedgerMaker = (t: { after(done: () => unknown): void }) => Promise<{
  ledger: Ledger
  /** The same ledger as another process opens it. */
  again(): Promise<Ledger>
}>

const NOW = Date.UTC(2026, 10, 24, 12)
const A = { name: 'session:ses_a', limitUsd: 1 }
const DAY = { name: 'day:2026-11-24', limitUsd: 2.5 }

export function ledgerContract(name: string, make: LedgerMaker, skip?: string): void {
  const check = (what: string, body: (made: Awaited<ReturnType<LedgerMaker>>) => Promise<void>) =>
    test(`${name}: ${what}`, skip ? { skip } : {}, async (t) => body(await make(t)))
  const ask = (id: string, usd: number, part: object = {}) => ({
    ...{ id, accounts: [A], usd, leastUsd: usd, now: NOW },
    ...part,
  })

  check(
    'what is reserved is not there for others; what is settled is spent, and the rest is free again',
    async ({ ledger }) => {
      assert.deepEqual(await ledger.reserve(ask('1', 0.6)), { ok: true, usd: 0.6 })
      assert.deepEqual(await ledger.reserve(ask('2', 0.5)), { ok: false, account: A.name, spentUsd: 0, heldUsd: 0.6 })
      await ledger.settle({ id: '1', accounts: [A], usd: 0.123456789, now: NOW })
      assert.equal(await ledger.spent(A.name), 0.123456789)
      assert.deepEqual(await ledger.reserve(ask('2', 0.5)), { ok: true, usd: 0.5 })
    },
  )

  check('as much as is left is given, where that is not too little', async ({ ledger }) => {
    await ledger.reserve(ask('1', 0.7))
    assert.deepEqual(await ledger.reserve(ask('2', 0.5, { leastUsd: 0.1 })), { ok: true, usd: 0.3 })
    const refused = await ledger.reserve(ask('3', 0.5, { leastUsd: 0.000000001 }))
    assert.deepEqual(refused, { ok: false, account: A.name, spentUsd: 0, heldUsd: 1 })
  })

  check('asked or settled twice, it is done once', async ({ ledger, again }) => {
    await ledger.reserve(ask('1', 0.4))
    assert.deepEqual(await (await again()).reserve(ask('1', 0.9)), { ok: true, usd: 0.4 })
    const settled = { id: '1', accounts: [A], usd: 0.3, now: NOW }
    await ledger.settle(settled)
    await ledger.settle(settled)
    await ledger.settle({ ...settled, id: 'never reserved' })
    assert.equal(await ledger.spent(A.name), 0.3)
    assert.deepEqual(await ledger.reserve(ask('2', 0.7)), { ok: true, usd: 0.7 })
  })

  check('of several accounts all give or none does', async ({ ledger }) => {
    const both = { accounts: [DAY, A] }
    assert.deepEqual(await ledger.reserve(ask('1', 0.9, both)), { ok: true, usd: 0.9 })
    const refused = await ledger.reserve(ask('2', 0.9, both))
    assert.deepEqual(refused, { ok: false, account: A.name, spentUsd: 0, heldUsd: 0.9 })
    const other = { accounts: [DAY, { name: 'session:ses_b', limitUsd: 9 }] }
    assert.deepEqual(
      await ledger.reserve(ask('3', 1.6, other)),
      { ok: true, usd: 1.6 },
      'the day was not charged for it',
    )
    const more = await ledger.reserve(ask('4', 0.1, other))
    assert.ok(!more.ok && more.account === DAY.name)
  })

  check('what nobody settles counts as spent, and a lowered limit counts at once', async ({ ledger }) => {
    await ledger.reserve(ask('1', 0.6))
    const later = { now: NOW + RESERVED_MS_MAX + 1 }
    const refused = await ledger.reserve(ask('2', 0.5, later))
    assert.deepEqual(refused, { ok: false, account: A.name, spentUsd: 0.6, heldUsd: 0 })
    await ledger.settle({ id: '1', accounts: [A], usd: 0.1, ...later })
    assert.equal(await ledger.spent(A.name), 0.6, 'too late')
    const lowered = await ledger.reserve(ask('3', 0.1, { ...later, accounts: [{ ...A, limitUsd: 0.65 }] }))
    assert.equal(lowered.ok, false)
  })

  check('many at once never get more than there is', async ({ ledger, again }) => {
    const ledgers = [ledger, await again(), await again()]
    const asked = Array.from({ length: 90 }, (_, i) => ledgers[i % 3]?.reserve(ask(`r${i}`, 0.03)))
    const granted = (await Promise.all(asked)).filter((reply) => reply?.ok)
    assert.equal(granted.length, 33)
    await Promise.all(
      Array.from({ length: 90 }, (_, i) => ledgers[i % 3]?.settle({ id: `r${i}`, accounts: [A], usd: 0.03, now: NOW })),
    )
    assert.equal(await ledger.spent(A.name), 0.99)
  })

  check('an account that is forgotten begins anew', async ({ ledger }) => {
    await ledger.reserve(ask('1', 0.6))
    await ledger.settle({ id: '1', accounts: [A], usd: 0.6, now: NOW })
    await ledger.reserve(ask('2', 0.4))
    await ledger.forget(A.name)
    assert.equal(await ledger.spent(A.name), 0)
    assert.deepEqual(await ledger.reserve(ask('3', 1)), { ok: true, usd: 1 })
  })
}
