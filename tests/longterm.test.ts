import { join } from 'node:path'
import { neon } from '../functions/adapters/neon.ts'
import { postgres } from '../functions/adapters/postgres.ts'
import { sqliteLongTerm } from '../functions/adapters/sqlite-longterm.ts'
import type { LongTerm } from '../functions/ports.ts'
import { longTermContract } from './contract/longterm.ts'
import { neonBridge, ownSchema, postgresMissing } from './support/postgres.ts'
import { tempFolder } from './support/world.ts'

type Context = { after(done: () => unknown): void }

/** Closed after the test, before what it stands on goes. */
function several(t: Context, open: () => LongTerm) {
  const all: LongTerm[] = []
  t.after(() => Promise.all(all.map((memory) => memory.close())))
  const again = async () => {
    const memory = open()
    all.push(memory)
    return memory
  }
  return again
}

longTermContract('sqlite', async (t, clock) => {
  const path = join(tempFolder(t), 'longterm.db')
  const again = several(t, () => sqliteLongTerm(path, clock))
  return { memory: await again(), again }
})

longTermContract(
  'postgres',
  async (t, clock) => {
    const url = await ownSchema(t)
    const again = several(t, () => postgres(url, clock))
    return { memory: await again(), again }
  },
  postgresMissing,
)

longTermContract(
  'neon',
  async (t, clock) => {
    const url = await ownSchema(t)
    const { endpoint } = await neonBridge(t)
    const again = several(t, () => neon({ url, endpoint }, clock))
    return { memory: await again(), again }
  },
  postgresMissing,
)
