/** Preferences in long-term memory: one value of each name in each scope, under an id that tells both. */
import { createHash } from 'node:crypto'
import { scopesOf } from '../core/facts.ts'
import { PREFERENCES_MAX } from '../core/limits.ts'
import { effective } from '../core/preferences.ts'
import type { Clock, LongTerm, Memory } from '../ports.ts'

export type PreferencesOptions = {
  longTerm: () => Promise<Pick<LongTerm, 'preferences'>>
  clock: Pick<Clock, 'now'>
  poorer(error: Error): void
}

const idOf = (scope: string, name: string): string =>
  `prf_${createHash('sha256').update(`${scope}\n${name}`).digest('hex').slice(0, 26)}`

export function preferenceMemory({ longTerm, clock, poorer }: PreferencesOptions): Memory['preferences'] {
  const list = async (scopes: string[]) =>
    (await (await longTerm()).preferences.list({ scopes, limit: PREFERENCES_MAX })).items
  return {
    list,
    async effective(whose) {
      try {
        return effective(await list(scopesOf(whose)), whose)
      } catch (error) {
        poorer(error as Error)
        return []
      }
    },
    async put({ scope, name, value }) {
      const { preferences } = await longTerm()
      const id = idOf(scope, name)
      const known = await preferences.get(id)
      const now = clock.now()
      const record = { id, scope, name, value, createdAt: known?.createdAt ?? now, updatedAt: now }
      await preferences.put(record)
      return record
    },
    delete: async (scope, name) => (await longTerm()).preferences.delete(idOf(scope, name)),
  }
}
