/** Scripts on Redis: what is atomic there. */
import { createHash } from 'node:crypto'
import { accepted, type RedisTransport } from './redis-transport.ts'

type Invocation = { keys: string[]; args: (string | number)[] }

/** Runs scripts by their hash, several in one round trip, and sends the text to a server that does not know it yet. */
export function scriptRunner<Name extends string>(transport: RedisTransport, scripts: Record<Name, string>) {
  const made = Object.fromEntries(
    Object.entries<string>(scripts).map(([name, body]) => {
      const text = transport.scriptHeader ? `${transport.scriptHeader}\n${body}` : body
      return [name, { text, sha: createHash('sha1').update(text).digest('hex') }]
    }),
  ) as Record<Name, { text: string; sha: string }>
  return async (name: Name, invocations: Invocation[]): Promise<unknown[]> => {
    const { text, sha } = made[name]
    const commands = (verb: string, body: string) =>
      invocations.map(({ keys, args }) => [verb, body, keys.length, ...keys, ...args])
    const replies = await transport.send(commands('EVALSHA', sha))
    const unknown = replies.flatMap((reply, i) => (reply instanceof Error && /NOSCRIPT/.test(reply.message) ? [i] : []))
    if (unknown.length > 0) {
      const texts = commands('EVAL', text)
      const again = await transport.send(unknown.map((i) => texts[i] ?? []))
      for (const [n, i] of unknown.entries()) replies[i] = again[n]
    }
    return accepted(replies)
  }
}
