/** Where commands go: to a server that was named, or to the same system started within this process. */
import { type Env, readEnv } from '../functions/env.ts'
import { type System, startSystem } from '../functions/server.ts'
import { jsonLog } from '../functions/telemetry/log.ts'
import { Client } from './client.ts'
import { UsageError } from './usage.ts'

export type Connection = {
  client: Client
  /** Lets this process advance a run; a server does so by itself. */
  adopt(runId: string): void
  /** Undefined for a remote server. */
  env: Env | undefined
  close(): Promise<void>
}

export type Own = {
  /** Laid over the environment of a system of one's own. */
  env?: Record<string, string | undefined>
  /** Its home is nobody else's: it advances every run there. */
  every?: boolean
}

export async function connect(
  server: string | undefined,
  { env: over = {}, every = false }: Own = {},
): Promise<Connection> {
  if (server !== undefined) {
    if (!/^https?:\/\//.test(server) || !URL.canParse(server))
      throw new UsageError(`--server must be an http(s) address; not ${server}`)
    const client = new Client((request) => fetch(request), server, process.env.STINT_API_KEY)
    return { client, adopt() {}, env: undefined, close: async () => {} }
  }
  // The terminal is its own server for this one command: no port, no key, and it advances only its own runs.
  const env = readEnv({
    ...process.env,
    HOST: '127.0.0.1',
    STINT_API_KEY_HASHES: undefined,
    LOG_LEVEL: process.env.LOG_LEVEL ?? 'silent',
    ...over,
  })
  const own = new Set<string>()
  const system: System = await startSystem(env, jsonLog(env.LOG_LEVEL), (wake) => every || own.has(wake.runId))
  return {
    client: new Client(system.fetch),
    adopt(runId) {
      own.add(runId)
      void system.agent.ports.queue.send({ runId }, 0)
    },
    env,
    close: () => system.stop(),
  }
}
