/** A wire between a server and the real Redis: it sees which of the store's scripts pass, and can be cut. */
import { createHash } from 'node:crypto'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { SCRIPTS } from '../../functions/adapters/redis-scripts.ts'
import { REDIS_URL } from './redis.ts'

export type Script = keyof typeof SCRIPTS
export type RedisProxy = {
  url: string
  /** Called for each script, before Redis gets it and after Redis has answered; `drop` keeps it from the other side. */
  watch: (script: Script, when: 'before' | 'after') => 'pass' | 'drop'
  /** Ends every connection, and refuses new ones for so long. */
  cut(ms: number): Promise<void>
}

const NAMES = Object.entries(SCRIPTS).map(
  ([name, text]) => [createHash('sha1').update(text).digest('hex'), name as Script] as const,
)

export async function redisProxy(t: { after(done: () => unknown): void }): Promise<RedisProxy> {
  const { hostname, port } = new URL(REDIS_URL)
  const open = new Set<Socket>()
  let refusing = false
  const server = createServer((from) => {
    if (refusing) return void from.destroy()
    const to = connect(Number(port || 6379), hostname)
    const end = () => {
      from.destroy()
      to.destroy()
    }
    for (const socket of [from, to]) {
      open.add(socket)
      socket.on('error', end).on('close', () => {
        open.delete(socket)
        end()
      })
    }
    let passing: Script | undefined
    from.on('data', (chunk: Buffer) => {
      passing = NAMES.find(([sha]) => chunk.includes(sha))?.[1]
      if (passing && proxy.watch(passing, 'before') === 'drop') return end()
      to.write(chunk)
    })
    to.on('data', (chunk: Buffer) => {
      const done = passing
      passing = undefined
      if (done && proxy.watch(done, 'after') === 'drop') return end()
      from.write(chunk)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const endAll = () => {
    for (const socket of open) socket.destroy()
  }
  t.after(() => {
    endAll()
    server.close()
  })
  const proxy: RedisProxy = {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    watch: () => 'pass',
    async cut(ms) {
      refusing = true
      endAll()
      await new Promise((resolve) => setTimeout(resolve, ms))
      refusing = false
    },
  }
  return proxy
}
