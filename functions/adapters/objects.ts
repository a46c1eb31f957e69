/** What every store of objects names them by. */
import { createHash } from 'node:crypto'

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
export const isId = (text: string): boolean => /^[0-9a-f]{64}$/.test(text)

export function checkedId(id: string): string {
  if (!isId(id)) throw new Error(`not an object id: ${id}`)
  return id
}

export class DamagedObject extends Error {
  constructor(id: string) {
    super(`the stored object ${id} is damaged: its content is not what its name says`)
    this.name = 'DamagedObject'
  }
}
