/** Logs: one JSON line each on stderr, with nothing in it that looks like a secret. */

import { redact } from '../core/redact.ts'

export type Level = 'debug' | 'info' | 'warn' | 'error'
export type Log = (level: Level, message: string, fields?: Record<string, unknown>) => void

const ORDER: Record<Level | 'silent', number> = { debug: 0, info: 1, warn: 2, error: 3, silent: 4 }
export function jsonLog(
  level: Level | 'silent',
  write: (line: string) => void = (line) => process.stderr.write(line),
): Log {
  return (at, message, fields = {}) => {
    if (ORDER[at] < ORDER[level]) return
    write(`${redact(JSON.stringify({ time: new Date().toISOString(), level: at, message, ...fields }))}\n`)
  }
}
