/** Objects in a folder, each in a file named by its sha256. */
import { randomUUID } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Snapshots } from '../ports.ts'
import { checkedId, DamagedObject, isId, sha256, userName } from './objects.ts'

export function folderSnapshots(folder: string): Snapshots {
  const place = (id: string): string => join(folder, checkedId(id))
  return {
    where: folder,
    async put(bytes) {
      const id = sha256(bytes)
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
        const bytes = await readFile(place(id))
        if (sha256(bytes) !== id) throw new DamagedObject(id)
        return bytes
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw error
      }
    },
    async delete(ids) {
      for (const id of ids) await rm(place(id), { force: true })
    },
    async isOnlyUser(store) {
      const users = join(folder, '.stores')
      await mkdir(users, { recursive: true, mode: 0o700 })
      await writeFile(join(users, userName(store)), '')
      return (await readdir(users)).length === 1
    },
    async list(limit, cursor = '') {
      const names = (await readdir(folder).catch(() => [])).filter((name) => isId(name) && name > cursor).sort()
      const stats = names.slice(0, limit).map(async (id) => {
        const found = await stat(place(id)).catch(() => undefined)
        return found ? [{ id, bytes: found.size, at: found.mtimeMs }] : []
      })
      const last = names[limit - 1]
      return {
        items: (await Promise.all(stats)).flat(),
        ...(last !== undefined && names.length > limit ? { nextCursor: last } : {}),
      }
    },
  }
}
