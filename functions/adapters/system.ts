/** The machine's own clock, ids and process identity. */
import { randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import type { Clock, Ids, Owner } from '../ports.ts'

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const done = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      signal?.addEventListener('abort', done, { once: true })
    }),
}

const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz'

/** Ten characters of time and sixteen of chance, in Crockford's base 32, as ULIDs have it (github.com/ulid/spec). */
export const systemIds: Ids = {
  next(kind, after) {
    const begun = after === undefined ? 0 : timeIn(after) + 1
    let time = ''
    for (let ms = Math.max(Date.now(), begun), i = 0; i < 10; i++, ms = Math.floor(ms / 32))
      time = DIGITS[ms % 32] + time
    const chance = [...randomBytes(16)].map((byte) => DIGITS[byte & 31]).join('')
    return `${kind}_${time}${chance}`
  },
}

const timeIn = (id: string): number =>
  [...id.slice(id.indexOf('_') + 1).slice(0, 10)].reduce((ms, digit) => ms * 32 + Math.max(0, DIGITS.indexOf(digit)), 0)

/**
 * This process, told apart from a later one with the same number, and by chance from others that all began alike: small
 * machines restored from one image share process number, start and boot.
 */
export const thisProcess = (): Owner =>
  `${process.pid}:${startOf(process.pid) ?? '?'}:${bootId()}:${pidSpace()}:${randomBytes(6).toString('hex')}`

/**
 * For owners in a file of this machine: false only when the process is known to be gone, with an earlier boot at the
 * latest. Where that cannot be told, leases simply run out.
 */
export function mayLive(owner: Owner): boolean {
  const boot = owner.split(':')[2] ?? ''
  return boot === '' || boot === bootId() ? mayLiveSomewhere(owner) : bootId() === ''
}

/** For owners on any machine: those of another one may live. */
export function mayLiveSomewhere(owner: Owner): boolean {
  const [pid = '', started, boot = '', space] = owner.split(':')
  // On another machine, or in another container of this one, the number says nothing.
  if (boot === '' || boot !== bootId() || space !== pidSpace()) return true
  try {
    process.kill(Number(pid), 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  const now = startOf(Number(pid))
  return started === '?' || now === undefined || now === started
}

function startOf(pid: number): string | undefined {
  const stat = readOr(`/proc/${pid}/stat`)
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}

/** Containers of one machine count their processes apart. */
function pidSpace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid').replace(/\D/g, '')
  } catch {
    return ''
  }
}

const bootId = (): string => readOr('/proc/sys/kernel/random/boot_id')?.trim() ?? ''

function readOr(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
