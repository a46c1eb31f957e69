/** The real Redis of this machine, with keys of a test's own, and a bridge that speaks Upstash's protocol before it. */
import { createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Redis } from 'ioredis'

export const REDIS_URL = process.env.STINT_TEST_REDIS_URL ?? 'redis://127.0.0.1:6379'

/** Why tests with Redis are left out; undefined when it answers. */
export const redisMissing: string | undefined = await (async () => {
  const client = new Redis(REDIS_URL, { lazyConnect: true, retryStrategy: () => null, connectTimeout: 1000 })
  client.on('error', () => {})
  try {
    await client.connect()
    return undefined
  } catch {
    if (process.env.STINT_TEST_REQUIRE === 'all')
      throw new Error(`no Redis at ${REDIS_URL}, and STINT_TEST_REQUIRE=all`)
    return `no Redis at ${REDIS_URL}`
  } finally {
    client.disconnect()
  }
})()

type Context = { after(done: () => unknown): void }

/** A prefix of its own; its keys are removed afterwards. */
export function ownPrefix(t: Context): string {
  const prefix = `stint-test-${randomBytes(6).toString('hex')}:`
  t.after(async () => {
    const client = new Redis(REDIS_URL)
    for (let cursor = '0'; ; ) {
      const [next, keys] = await client.scan(cursor, 'MATCH', `${prefix}*`, 'COUNT', 1000)
      if (keys.length > 0) await client.del(keys)
      cursor = next
      if (cursor === '0') break
    }
    client.disconnect()
  })
  return prefix
}

export type Bridge = {
  url: string
  token: string
  requests: string[][][] /** So many answers are thrown away. */
  deaf: number
}

const LOCKING = '#!lua flags=allow-key-locking\n'
const sha1 = (text: string): string => createHash('sha1').update(text).digest('hex')

/**
 * POST /pipeline with a bearer token, as upstash.com/docs/redis/features/restapi has it. Stock Redis refuses the line
 * that only Upstash knows, so it is taken off here, and scripts without it are refused.
 */
export async function upstashBridge(t: Context): Promise<Bridge> {
  const client = new Redis(REDIS_URL)
  const token = randomBytes(9).toString('base64url')
  const known = new Map<string, string>()
  const bridge: Bridge = { url: '', token, requests: [], deaf: 0 }
  const translated = ([name, body = '', ...rest]: string[]): string[] | Error => {
    if (/^eval$/i.test(name ?? '')) {
      if (!body.startsWith(LOCKING)) return new Error('ERR this script would lock the whole database')
      const text = body.slice(LOCKING.length)
      known.set(sha1(body), sha1(text))
      return ['eval', text, ...rest]
    }
    if (/^evalsha$/i.test(name ?? '')) return ['evalsha', known.get(body) ?? body, ...rest]
    return [String(name).toLowerCase(), body, ...rest]
  }
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const answer = (status: number, body: unknown) => {
      response.writeHead(status, {
        'content-type': 'application/json',
        'upstash-sync-token': `t${bridge.requests.length}`,
      })
      response.end(JSON.stringify(body))
    }
    if (request.headers.authorization !== `Bearer ${token}`) return answer(401, { error: 'Unauthorized' })
    if (request.method !== 'POST' || request.url !== '/pipeline') return answer(404, { error: 'Not found' })
    const commands = (JSON.parse(Buffer.concat(parts).toString()) as (string | number)[][]).map((one) =>
      one.map(String),
    )
    bridge.requests.push(commands)
    const replies: unknown[] = []
    for (const command of commands) {
      const made = translated(command)
      try {
        if (made instanceof Error) throw made
        const [name = '', ...args] = made
        replies.push({ result: await client.call(name, args) })
      } catch (error) {
        replies.push({ error: (error as Error).message })
      }
    }
    if (bridge.deaf-- > 0) return void request.socket.destroy()
    return answer(200, replies)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    client.disconnect()
    server.closeAllConnections()
    server.close()
  })
  bridge.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return bridge
}
