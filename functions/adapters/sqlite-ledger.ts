/** The ledger in the embedded store's file: amounts are whole nano-dollars, so that sums are exact. */
import { NANO, nanoOf } from '../core/accounts.ts'
import { ACCOUNT_KEPT_MS, RESERVED_MS_MAX } from '../core/limits.ts'
import type { Ledger } from '../ports.ts'
import { openDatabase } from './sqlite-database.ts'

/** @throws Error that names the file and what to do. */
export function sqliteLedger(path: string): Ledger {
  const { database, row, run, atomically } = openDatabase(path)
  const spentNano = (account: string): number =>
    row<{ spent: number }>('SELECT spent FROM accounts WHERE account = ?', account)?.spent ?? 0
  const charge = (account: string, amount: number, now: number): void =>
    run(
      `INSERT INTO accounts (account, spent, touched_at) VALUES (?1, ?2, ?3)
       ON CONFLICT (account) DO UPDATE SET spent = spent + ?2, touched_at = ?3`,
      ...[account, amount, now],
    )
  const heldNano = (account: string, from = ''): number =>
    row<{ held: number }>(`SELECT coalesce(sum(amount), 0) AS held FROM reserved WHERE account = ? ${from}`, account)
      ?.held ?? 0

  /** What nobody settled is spent. */
  function expire(account: string, now: number): void {
    const dead = `AND at < ${now - RESERVED_MS_MAX}`
    const amount = heldNano(account, dead)
    if (amount === 0) return
    charge(account, amount, now)
    run(`DELETE FROM reserved WHERE account = ? ${dead}`, account)
  }

  return {
    async reserve({ id, accounts, usd, leastUsd, now }) {
      return atomically(() => {
        const [first] = accounts
        const known =
          first && row<{ amount: number }>('SELECT amount FROM reserved WHERE account = ? AND id = ?', first.name, id)
        if (known) return { ok: true, usd: known.amount / NANO }
        let grant = nanoOf(usd)
        for (const { name, limitUsd } of accounts) {
          expire(name, now)
          const [spent, held] = [spentNano(name), heldNano(name)]
          grant = Math.min(grant, nanoOf(limitUsd) - spent - held)
          if (grant < nanoOf(leastUsd))
            return { ok: false, account: name, spentUsd: spent / NANO, heldUsd: held / NANO }
        }
        for (const { name } of accounts)
          run('INSERT INTO reserved (account, id, amount, at) VALUES (?, ?, ?, ?)', name, id, grant, now)
        run('DELETE FROM accounts WHERE touched_at < ?', now - ACCOUNT_KEPT_MS)
        return { ok: true, usd: grant / NANO }
      })
    },
    async settle({ id, accounts, usd, now }) {
      atomically(() => {
        for (const { name } of accounts) {
          if (!row('SELECT 1 FROM reserved WHERE account = ? AND id = ?', name, id)) continue
          run('DELETE FROM reserved WHERE account = ? AND id = ?', name, id)
          charge(name, nanoOf(usd), now)
        }
      })
    },
    async spent(account) {
      return spentNano(account) / NANO
    },
    async forget(account) {
      atomically(() => {
        run('DELETE FROM accounts WHERE account = ?', account)
        run('DELETE FROM reserved WHERE account = ?', account)
      })
    },
    async close() {
      database.close()
    },
  }
}
