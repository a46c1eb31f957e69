/**
 * The hot tier: what a session needs again soon, and answers of the model to requests that were asked before, byte by
 * byte. Everything here may be gone at any moment and lives a day at most; whoever asks must be able to do without it. So
 * a cache that is down is an empty one, and says so to `poorer`.
 */
import { createHash } from 'node:crypto'
import type { AgentContext } from '../core/context.ts'
import { CACHE_MS_DEFAULT, CACHE_MS_MAX, CACHE_MS_MIN, CACHE_VALUE_BYTES_MAX } from '../core/limits.ts'
import type { Cache, ModelAnswer } from '../ports.ts'

export type ShortTermOptions = {
  cache: Cache
  /** Of what is kept without another word: between 1 and 24 hours. */
  ttlMs?: number
  /** Told when the cache could not be used. */
  poorer?: (error: Error) => void
}

export class ShortTermMemory {
  readonly #cache: Cache
  readonly #ttlMs: number
  readonly #poorer: (error: Error) => void

  constructor({ cache, ttlMs = CACHE_MS_DEFAULT, poorer = () => {} }: ShortTermOptions) {
    this.#cache = cache
    this.#ttlMs = ttlMs
    this.#poorer = poorer
  }

  /** What was kept of a session under this name; undefined: nothing, or not any more. */
  recall<T>(sessionId: string, name: string): Promise<T | undefined> {
    return this.#read<T>(sessionKey(sessionId, name))
  }

  /** Keeps a JSON value, unless it is too large to be worth it. */
  keep(sessionId: string, name: string, value: unknown, ttlMs = this.#ttlMs): Promise<void> {
    return this.#write(sessionKey(sessionId, name), value, sessionId, ttlMs)
  }

  /** The answer to exactly this request, to the model and the last byte. */
  answerTo(request: AgentContext): Promise<ModelAnswer | undefined> {
    return this.#read<ModelAnswer>(requestKey(request))
  }

  /** Keeps an answer, which goes with the session it was given in. One that was cut off is not kept. */
  async keepAnswer(request: AgentContext, answer: ModelAnswer, sessionId: string, ttlMs = this.#ttlMs): Promise<void> {
    if (!answer.truncated) await this.#write(requestKey(request), answer, sessionId, ttlMs)
  }

  /**
   * What is kept under this name, else what `load` brings, which is kept with its session. Only for what never changes:
   * nobody looks whether it still is so. An error of `load` is the caller's.
   */
  async through<T>(
    name: string,
    load: () => Promise<T | undefined>,
    sessionOf: (value: T) => string,
  ): Promise<T | undefined> {
    const key = `of:${hash(name)}`
    const kept = await this.#read<T>(key)
    if (kept !== undefined) return kept
    const value = await load()
    if (value !== undefined) await this.#write(key, value, sessionOf(value), this.#ttlMs)
    return value
  }

  /** Removes all that is kept of a session. Throws when that cannot be done: removal is a promise. */
  async forget(sessionId: string): Promise<void> {
    // First: whoever read of it before, and keeps it after the rest is done, finds this and takes it out again.
    await this.#cache.set(removedKey(sessionId), '1', { ttlMs: CACHE_MS_MIN, group: removedKey(sessionId) })
    await this.#cache.deleteGroup(sessionId)
  }

  close(): Promise<void> {
    return this.#cache.close()
  }

  async #read<T>(key: string): Promise<T | undefined> {
    try {
      const text = await this.#cache.get(key)
      return text === undefined ? undefined : (JSON.parse(text) as T)
    } catch (error) {
      this.#poorer(error as Error)
      return undefined
    }
  }

  async #write(key: string, value: unknown, group: string, ttlMs: number): Promise<void> {
    const text = JSON.stringify(value)
    if (text === undefined || Buffer.byteLength(text) > CACHE_VALUE_BYTES_MAX) return
    const bounded = Math.round(Math.min(CACHE_MS_MAX, Math.max(CACHE_MS_MIN, ttlMs)))
    try {
      await this.#cache.set(key, text, { ttlMs: bounded, group })
      if ((await this.#cache.get(removedKey(group))) !== undefined) await this.#cache.deleteGroup(group)
    } catch (error) {
      this.#poorer(error as Error)
    }
  }
}

const hash = (text: string): string => createHash('sha256').update(text).digest('hex')
const sessionKey = (sessionId: string, name: string): string => `session:${hash(`${sessionId}\n${name}`)}`
/** Names nobody: what is left of a session that was removed is a hash. */
const removedKey = (sessionId: string): string => `removed:${hash(sessionId)}`
/** The fields in one order, whatever order they were given in; all that the model sees is in them. */
const requestKey = ({ model, messages, tools, maxTokens, ...rest }: AgentContext): string =>
  `answer:${hash(JSON.stringify([model, messages, tools, maxTokens, rest]))}`
