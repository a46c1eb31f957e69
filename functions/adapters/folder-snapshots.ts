/** Objects in a folder, each in a file named by its sha256. */
import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Snapshots } from '../ports.ts'

export function folderSnapshots(folder: string): Snapshots {
  const place = (id: string): string => {
    if (!/^[0-9a-f]{64}$/.test(id)) throw new Error(`not an object id: ${id}`)
    return join(folder, id)
  }
  return {
    async put(bytes) {
      const id = createHash('sha256').update(bytes).digest('hex')
      await mkdir(folder, { recursive: true, mode: 0o700 })
      const part = `${place(id)}.${randomUUID()}.part`
      const file = await open(part, 'w', 0o600)
      try {
        await file.writeFile(bytes)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(part, place(id))
      return id
    },
    async get(id) {
      try {
        return await readFile(place(id))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw error
      }
    },
    async delete(ids) {
      for (const id of ids) await rm(place(id), { force: true })
    },
  }
}
