/** The real Postgres of this machine, a schema for each test, and Neon's HTTP protocol before it. */
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { type AddressInfo, connect, createServer as createTcp, type Socket } from 'node:net'
import { Client, DatabaseError } from 'pg'

export const POSTGRES_URL = process.env.STINT_TEST_POSTGRES_URL ?? 'postgres://root@127.0.0.1:5432/test'

/** Why tests with Postgres are left out; undefined when it answers. */
export const postgresMissing: string | undefined = await (async () => {
  const client = new Client({ connectionString: POSTGRES_URL, connectionTimeoutMillis: 1000 })
  client.on('error', () => {})
  try {
    await client.connect()
    return undefined
  } catch {
    const where = POSTGRES_URL.replace(/\/\/.*@/, '//')
    if (process.env.STINT_TEST_REQUIRE === 'all') throw new Error(`no Postgres at ${where}, and STINT_TEST_REQUIRE=all`)
    return `no Postgres at ${where}`
  } finally {
    await client.end().catch(() => {})
  }
})()

type Context = { after(done: () => unknown): void }

/** An address whose tables are the test's own; they are removed afterwards. */
export async function ownSchema(t: Context, base = POSTGRES_URL): Promise<string> {
  const schema = `stint_test_${randomBytes(6).toString('hex')}`
  await psql(`CREATE SCHEMA ${schema}`)
  t.after(() => psql(`DROP SCHEMA ${schema} CASCADE`))
  const url = new URL(base)
  url.searchParams.set('options', `-csearch_path=${schema}`)
  return url.href
}

/** Statements by a connection of their own; rows of the last one. */
export async function psql(sql: string, url = POSTGRES_URL): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const done = await client.query(sql)
    return (Array.isArray(done) ? done.at(-1) : done).rows
  } finally {
    await client.end()
  }
}

export type NeonBridge = {
  endpoint: string
  requests: { query?: string; queries?: unknown[] }[]
  /** So many requests are performed and then not answered. */
  deaf: number
}

/**
 * POST /sql as Neon's proxy answers it (its client: github.com/neondatabase/serverless, src/httpQuery.ts): the address
 * comes in a header, values as text, rows as arrays of text, several queries as one transaction, a refusal as 400.
 */
export async function neonBridge(t: Context): Promise<NeonBridge> {
  const bridge: NeonBridge = { endpoint: '', requests: [], deaf: 0 }
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const answer = (status: number, body: unknown) => {
      if (bridge.deaf > 0) {
        bridge.deaf--
        return void request.socket.destroy()
      }
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    const header = (name: string) => String(request.headers[name] ?? '')
    if (request.url !== '/sql' || header('neon-raw-text-output') !== 'true' || header('neon-array-mode') !== 'true')
      return answer(404, { message: 'not found' })
    const body = JSON.parse(Buffer.concat(parts).toString())
    bridge.requests.push(body)
    const client = new Client({ connectionString: header('neon-connection-string'), types: AS_TEXT })
    const run = async ({ query, params }: { query: string; params: unknown[] }) => {
      const done = await client.query({ text: query, values: params, rowMode: 'array' })
      const fields = done.fields.map(({ name, dataTypeID }) => ({ name, dataTypeID }))
      return { command: done.command, rowCount: done.rowCount, rows: done.rows, fields, rowAsArray: true }
    }
    try {
      await client.connect()
      if (!body.queries) return answer(200, await run(body))
      const level = ISOLATION[header('neon-batch-isolation-level')]
      await client.query(`BEGIN${level ? ` ISOLATION LEVEL ${level}` : ''}`)
      const results: unknown[] = []
      for (const query of body.queries) results.push(await run(query))
      await client.query('COMMIT')
      answer(200, { results })
    } catch (error) {
      const { message, code, detail, severity } = error as DatabaseError
      answer(error instanceof DatabaseError ? 400 : 500, { message, code, detail, severity })
    } finally {
      await client.end().catch(() => {})
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  bridge.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/sql`
  return bridge
}

const AS_TEXT = { getTypeParser: () => (value: unknown) => value } as never
const ISOLATION: Record<string, string> = {
  ReadUncommitted: 'READ UNCOMMITTED',
  ReadCommitted: 'READ COMMITTED',
  RepeatableRead: 'REPEATABLE READ',
  Serializable: 'SERIALIZABLE',
}

/** A way to Postgres that can be cut: `cut(n)` breaks every connection once n more bytes went through. */
export async function cuttable(
  t: Context,
): Promise<{ url: string; cut(afterBytes: number): void; cuts(): number; down(): void; up(): void }> {
  const { port, hostname } = new URL(POSTGRES_URL)
  const open = new Set<Socket>()
  let left = Number.POSITIVE_INFINITY
  let refusing = false
  let cuts = 0
  const server = createTcp((near) => {
    if (refusing) return void near.destroy()
    const far = connect(Number(port || 5432), hostname)
    const both = [near, far]
    const end = () => {
      for (const socket of both) {
        socket.destroy()
        open.delete(socket)
      }
    }
    for (const socket of both) {
      open.add(socket)
      socket.on('error', end).on('close', end)
    }
    near.on('data', (bytes) => {
      left -= bytes.length
      if (left > 0) return void far.write(bytes)
      left = Number.POSITIVE_INFINITY
      cuts++
      for (const socket of open) socket.destroy()
    })
    far.on('data', (bytes) => near.write(bytes))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const end = () => {
    for (const socket of open) socket.destroy()
  }
  t.after(() => {
    end()
    server.close()
  })
  const to = new URL(POSTGRES_URL)
  to.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: to.href,
    cut(afterBytes) {
      left = afterBytes
    },
    cuts: () => cuts,
    down() {
      refusing = true
      end()
    },
    up() {
      refusing = false
    },
  }
}
