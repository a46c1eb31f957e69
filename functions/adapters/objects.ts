/** What every store of objects names them by. */
import { createHash, randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
export const isId = (text: string): boolean => /^[0-9a-f]{64}$/.test(text)

export function checkedId(id: string): string {
  if (!isId(id)) throw new Error(`not an object id: ${id}`)
  return id
}

/** How a store of runs is noted beside the objects that it names. */
export const userName = (store: string): string => sha256(Buffer.from(store)).slice(0, 16)

/** A name for what this home keeps elsewhere, beside others: the same at every start. */
export function nameOfHome(home: string): string {
  const path = join(home, 'name')
  try {
    writeFileSync(path, randomUUID(), { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return readFileSync(path, 'utf8')
}

export class DamagedObject extends Error {
  constructor(id: string) {
    super(`the stored object ${id} is damaged: its content is not what its name says`)
    this.name = 'DamagedObject'
  }
}
