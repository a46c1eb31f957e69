/** How commands reach a Redis: over TCP or over Upstash's REST. */
export type RedisTransport = {
  /** Sends commands in one round trip and answers in order; a refused command is an Error in its place. May throw. */
  send(commands: (string | number)[][]): Promise<unknown[]>
  /** First line of every script, where the server needs one. */
  scriptHeader?: string
  close(): Promise<void>
}

/** What Redis refused, or that it cannot be reached: never with the command, which may hold prompts and secrets. */
export class RedisError extends Error {
  readonly code = 'store_unavailable'
}

/** What was refused throws. */
export const accepted = (replies: unknown[]): unknown[] => {
  for (const reply of replies) if (reply instanceof Error) throw reply
  return replies
}
