/**
 * A small QStash, as upstash.com/docs/qstash has it: publish with delay, retries, deduplication and failure callback;
 * deliveries signed with a JWT; `Retry-After` in the answer, else its own schedule. What QStash refuses is refused.
 */
import { createHash, createHmac, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

type Context = { after(done: () => unknown): void }

export type QstashOptions = {
  /** How long a second is here. */
  secondMs?: number
  /** Every message is delivered so often. */
  copies?: number
  /** So many publishes are taken whose answer gets lost. */
  deaf?: number
}
export type Published = { destination: string; headers: IncomingMessage['headers']; body: string }
export type Qstash = QstashOptions & {
  url: string
  token: string
  currentKey: string
  nextKey: string
  /** What was taken, each once. */
  published: Published[]
  /** Statuses that deliveries were answered with; 0 for none. */
  answers: number[]
  dead: string[]
  /** From now on the next key signs, as after a roll. */
  roll(): void
}

type Message = { id: string; url: string; body: string; retries: number; failure?: string; type?: string }

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A token as QStash makes it; `claims` overrides what it says. */
export function signature(key: string, url: string, body: string, claims: Record<string, unknown> = {}): string {
  const now = Math.floor(Date.now() / 1000)
  // With padding, as QStash writes it.
  const hash = createHash('sha256').update(body).digest('base64').replace(/\+/g, '-').replace(/\//g, '_')
  const payload = {
    iss: 'Upstash',
    sub: url,
    exp: now + 300,
    nbf: now,
    iat: now,
    jti: `jwt_${randomUUID()}`,
    body: hash,
  }
  const signed = `${base64url({ alg: 'HS256', typ: 'JWT' })}.${base64url({ ...payload, ...claims })}`
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`
}

export async function startQstash(t: Context, options: QstashOptions = {}): Promise<Qstash> {
  const seen = new Map<string, string>()
  const stopped = new AbortController()
  let rolled = false
  const qstash: Qstash = {
    secondMs: 1000,
    copies: 1,
    deaf: 0,
    ...options,
    url: '',
    token: randomUUID(),
    currentKey: `sig_${randomUUID()}`,
    nextKey: `sig_${randomUUID()}`,
    published: [],
    answers: [],
    dead: [],
    roll: () => {
      rolled = true
    },
  }
  const rest = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * (qstash.secondMs ?? 1000)))

  async function deliver(message: Message): Promise<void> {
    for (let retried = 0; !stopped.signal.aborted; retried++) {
      const answer = await bring(message, retried)
      if (stopped.signal.aborted) return
      qstash.answers.push(answer.status)
      if (answer.status >= 200 && answer.status < 300) return
      if (retried >= message.retries) return void giveUp(message, retried, answer)
      await rest(answer.after ?? Math.min(86_400, Math.E ** (2.5 * (retried + 1))))
    }
  }

  async function bring({ id, url, body, type }: Message, retried: number) {
    try {
      const response = await fetch(url, {
        method: 'POST',
        body,
        signal: stopped.signal,
        headers: {
          'user-agent': 'Upstash-QStash',
          'upstash-signature': signature(rolled ? qstash.nextKey : qstash.currentKey, url, body),
          'upstash-retried': String(retried),
          'upstash-message-id': id,
          ...(type ? { 'content-type': type } : {}),
        },
      })
      const after = response.headers.get('retry-after')
      return { status: response.status, body: await response.text(), ...(after ? { after: Number(after) } : {}) }
    } catch {
      return { status: 0, body: '' }
    }
  }

  function giveUp(message: Message, retried: number, answer: { status: number; body: string }): void {
    qstash.dead.push(message.body)
    if (!message.failure) return
    const encode = (text: string) => Buffer.from(text).toString('base64')
    const body = JSON.stringify({
      status: answer.status,
      header: {},
      body: encode(answer.body),
      retried,
      maxRetries: message.retries,
      dlqId: `${Date.now()}-0`,
      sourceMessageId: message.id,
      url: message.url,
      method: 'POST',
      sourceHeader: {},
      sourceBody: encode(message.body),
      notBefore: String(Date.now()),
      createdAt: String(Date.now()),
      callerIP: '127.0.0.1',
    })
    void deliver({ id: `msg_${randomUUID()}`, url: message.failure, body, retries: message.retries })
  }

  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const body = Buffer.concat(parts).toString()
    const answer = (status: number, value: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(value))
    }
    const { headers } = request
    if (headers.authorization !== `Bearer ${qstash.token}`) return answer(401, { error: 'invalid token' })
    const destination = /^\/v2\/publish\/(https?:\/\/.+)$/.exec(request.url ?? '')?.[1]
    if (request.method !== 'POST' || !destination) return answer(404, { error: 'not found' })
    const delay = /^(\d+)s$/.exec(String(headers['upstash-delay'] ?? '0s'))?.[1]
    const retries = Number(headers['upstash-retries'] ?? 3)
    if (delay === undefined || Number(delay) > 7 * 86_400) return answer(400, { error: 'invalid delay' })
    if (!Number.isInteger(retries) || retries > 3) return answer(400, { error: 'maxRetries exceeded' })
    const failure = headers['upstash-failure-callback'] as string | undefined
    if (failure && !/^https?:\/\//.test(failure)) return answer(400, { error: 'invalid failure callback' })
    const name = headers['upstash-deduplication-id'] as string | undefined
    const known = name === undefined ? undefined : seen.get(name)
    const id = known ?? `msg_${randomUUID()}`
    if (known === undefined) {
      if (name) seen.set(name, id)
      qstash.published.push({ destination, headers, body })
      const type = headers['content-type']
      const message = {
        id,
        url: destination,
        body,
        retries,
        ...(failure ? { failure } : {}),
        ...(type ? { type } : {}),
      }
      for (let copy = 0; copy < (qstash.copies ?? 1); copy++) void rest(Number(delay)).then(() => deliver(message))
    }
    if ((qstash.deaf ?? 0) > 0) {
      qstash.deaf = (qstash.deaf ?? 0) - 1
      return void request.socket.destroy()
    }
    return answer(known ? 202 : 201, { messageId: id, ...(known ? { deduplicated: true } : {}) })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  qstash.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  t.after(() => {
    stopped.abort()
    server.closeAllConnections()
    server.close()
  })
  return qstash
}
