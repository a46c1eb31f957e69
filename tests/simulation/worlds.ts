/** One kind of store, opened once, and one world after the other in it. */
import { type Report, simulate } from './run.ts'
import { REDIS_URL, redisBackend } from './world/redis.ts'
import { sqliteBackend } from './world/sqlite.ts'

export async function openWorlds(store: 'sqlite' | 'redis') {
  const owners = { mayLive: (_: string) => true }
  const backend = store === 'sqlite' ? sqliteBackend((owner) => owners.mayLive(owner)) : await redisBackend(REDIS_URL)
  return {
    run: (seed: string, options: { verbose?: boolean } = {}): Promise<Report> =>
      simulate(seed, backend, owners, options),
    close: () => backend.close(),
  }
}
