/** The HTTP contract from the caller's side, the same over a network and within this process. */
import type { EventView, RunView } from './contract.ts'

export type Fetch = (request: Request) => Response | Promise<Response>

/** An answer that is no success: `code` and what to do, as the server said it. */
export class Refusal extends Error {
  readonly status: number
  readonly code: string
  readonly hint: string | undefined
  readonly body: object | undefined
  constructor(status: number, body: { code?: string; title?: string; detail?: string; hint?: string }) {
    super(body.detail ?? body.title ?? `the server answered ${status}`)
    this.name = 'Refusal'
    this.status = status
    this.code = body.code ?? `http_${status}`
    this.hint = body.hint
    this.body = body
  }
}

export class Client {
  private readonly fetch: Fetch
  private readonly base: string
  private readonly key: string | undefined

  constructor(fetch: Fetch, base = 'http://localhost', key?: string) {
    this.fetch = fetch
    this.base = base.replace(/\/$/, '')
    this.key = key
  }

  async get<T>(path: string): Promise<T> {
    return (await (await this.ask('GET', path, undefined, 'application/json')).json()) as T
  }

  /** The body of any JSON answer, a refusal's too. */
  async any<T>(path: string): Promise<T> {
    try {
      return await this.get<T>(path)
    } catch (error) {
      if (error instanceof Refusal && error.body !== undefined) return error.body as T
      throw error
    }
  }

  async post<T>(path: string, body: object = {}, headers: Record<string, string> = {}): Promise<T> {
    return (await (await this.ask('POST', path, body, 'application/json', headers)).json()) as T
  }

  async patch<T>(path: string, body: object): Promise<T> {
    return (await (await this.ask('PATCH', path, body, 'application/json')).json()) as T
  }

  async delete(path: string): Promise<void> {
    await this.ask('DELETE', path, undefined, 'application/json')
  }

  async text(path: string): Promise<string> {
    return (await this.ask('GET', path, undefined, '*/*')).text()
  }

  /** Events of a run from `after` on, until it ends; a stream that breaks is taken up again. */
  async *events(runId: string, after: number, signal: AbortSignal): AsyncIterable<EventView> {
    let last = after
    for (let failures = 0; !signal.aborted; ) {
      try {
        const response = await this.ask(
          'GET',
          `/runs/${runId}/events?after=${last}`,
          undefined,
          'text/event-stream',
          {},
          signal,
        )
        for await (const event of eventsOf(response, signal)) {
          failures = 0
          if (event.seq !== undefined) last = event.seq
          yield event
          if (/^run\.(completed|failed|cancelled)$/.test(event.type)) return
        }
      } catch (error) {
        if (signal.aborted || (error instanceof Refusal && error.status < 500)) throw error
        if (++failures > 5) throw error
        await new Promise((resolve) => setTimeout(resolve, 300 * failures))
      }
    }
  }

  run(runId: string): Promise<RunView> {
    return this.get<RunView>(`/runs/${encodeURIComponent(runId)}`)
  }

  private async ask(
    method: string,
    path: string,
    body: object | undefined,
    accept: string,
    headers: Record<string, string> = {},
    signal?: AbortSignal,
  ): Promise<Response> {
    const request = new Request(this.base + path, {
      method,
      headers: {
        accept,
        ...(body ? { 'content-type': 'application/json' } : {}),
        ...(this.key ? { authorization: `Bearer ${this.key}` } : {}),
        ...headers,
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
      ...(signal ? { signal } : {}),
    })
    let response: Response
    try {
      response = await this.fetch(request)
    } catch (error) {
      const { message, cause } = error as Error & { cause?: Error }
      throw new Refusal(503, {
        code: 'unreachable',
        detail: `${this.base} cannot be reached: ${cause?.message ?? message}`,
      })
    }
    if (response.ok) return response
    throw new Refusal(
      response.status,
      (await response.json().catch(() => ({}))) as ConstructorParameters<typeof Refusal>[1],
    )
  }
}

async function* eventsOf(response: Response, signal: AbortSignal): AsyncIterable<EventView> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of response.body ?? []) {
    if (signal.aborted) return
    rest += decoder.decode(chunk as Uint8Array, { stream: true })
    for (let end = rest.indexOf('\n\n'); end !== -1; end = rest.indexOf('\n\n')) {
      const data = rest
        .slice(0, end)
        .split('\n')
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice(5).trimStart())
        .join('\n')
      rest = rest.slice(end + 2)
      if (data !== '') yield JSON.parse(data) as EventView
    }
  }
}
