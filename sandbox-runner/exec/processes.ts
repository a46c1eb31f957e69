/**
 * Ends whole process trees. A command's own group is not enough: `setsid`, `nohup` and double forks leave it. On Linux
 * every process of a call carries two marks, and is looked up in /proc by them until nothing new appears: a variable of
 * its environment, which `env -i` drops, and a number as its limit of file locks. Linux has not looked at that limit
 * since 2.4, no program sets it, it goes through every fork, exec and change of user, and it can only be lowered.
 * Descendants of whoever is found are ended with it. Elsewhere the group is all there is.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { KILL_GRACE_MS } from '../limits.ts'
import { CALL_MARK } from './environment.ts'

/** The limit of file locks that marks the processes of a call; far above any that somebody set for its own sake. */
export const lockLimitOf = (callId: string): number =>
  2 ** 48 + createHash('sha256').update(callId).digest().readUIntBE(0, 6)

/** Processes that exist now, to be told later from those of a call. */
export const processesNow = (): Set<number> => new Set(listPids())

/**
 * Ends what is left of a call: its group, its marked processes and all their descendants.
 * `before` are processes that were there before the call started; they are never touched.
 */
export async function endCall(
  group: number | undefined,
  callId: string,
  before: Set<number>,
  polite: boolean,
): Promise<number> {
  if (group !== undefined && polite) {
    signal(-group, 'SIGTERM')
    for (let waited = 0; waited < KILL_GRACE_MS && alive(-group); waited += 20) await pause(20)
  }
  let ended = 0
  // Stopped first, killed when no new one turns up: a fork bomb outruns killing one by one.
  for (let round = 0; round < 50; round++) {
    const found = survivors(group, callId, before)
    if (found.length === 0) return ended
    for (const pid of found) signal(pid, 'SIGSTOP')
    const again = survivors(group, callId, before)
    if (again.length > found.length && round < 40) continue
    for (const pid of again) signal(pid, 'SIGKILL')
    ended += again.length
    if (group !== undefined) signal(-group, 'SIGKILL')
    await pause(5)
  }
  return ended
}

/**
 * Ends a call whose processes have a namespace of their own, of which `first` is the first: the kernel ends all others
 * with it, and it is gone only when they are.
 */
export async function endNamespace(first: Process, polite: boolean): Promise<void> {
  if (polite) {
    const said = below(first.pid).filter((pid) => pid !== first.pid)
    for (const pid of said) signal(pid, 'SIGTERM')
    for (let waited = 0; waited < KILL_GRACE_MS && said.some(alive); waited += 20) await pause(20)
  }
  for (let wait = 1; stands(first); wait = Math.min(wait * 2, 50)) {
    signal(first.pid, 'SIGKILL')
    await pause(wait)
  }
}

export type Process = { pid: number; start: string | undefined }

/** False also of what has ended and was not waited for. */
function stands({ pid, start }: Process): boolean {
  const stat = statOf(pid)
  return stat !== undefined && stat.state !== 'Z' && stat.state !== 'X' && processStart(pid) === start
}

/** A process and all its descendants that live. */
export const below = (root: number): number[] => withDescendants((pid) => pid === root, new Set())

/** The processes of a call as they are now, asked for often: who bears its mark is remembered. */
export function processesOf(group: number, callId: string, before: Set<number>): () => number[] {
  const marked = markOf(callId)
  const known = new Map<number, boolean>()
  return () =>
    withDescendants((pid, stat) => {
      if (stat.group === group) return true
      const is = known.get(pid) ?? marked(pid)
      known.set(pid, is)
      return is
    }, before)
}

/** Marked processes, members of the group, and everything below either. */
function survivors(group: number | undefined, callId: string, before: Set<number>): number[] {
  const marked = markOf(callId)
  return withDescendants((pid, stat) => stat.group === group || marked(pid), before)
}

/** Those that are meant, and everything below them. Zombies do not count. */
function withDescendants(meant: (pid: number, stat: { group: number }) => boolean, before: Set<number>): number[] {
  const parents = new Map<number, number>()
  const found = new Set<number>()
  for (const pid of listPids()) {
    if (before.has(pid) || pid === process.pid) continue
    const stat = statOf(pid)
    if (!stat || stat.state === 'Z' || stat.state === 'X') continue
    parents.set(pid, stat.parent)
    if (meant(pid, stat)) found.add(pid)
  }
  for (let grown = true; grown; ) {
    grown = false
    for (const [pid, parent] of parents)
      if (found.has(parent) && !found.has(pid)) {
        found.add(pid)
        grown = true
      }
  }
  return [...found]
}

/** `ticks` is the processor time of the process and of those it has waited for. */
export function statOf(pid: number): { state: string; parent: number; group: number; ticks: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The name may hold spaces and brackets: the fields begin after the last bracket.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const [state = '', parent, group] = fields
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
    return { state, parent: Number(parent), group: Number(group), ticks }
  } catch {
    return undefined
  }
}

/** Tells the processes of a call by either mark. */
function markOf(callId: string): (pid: number) => boolean {
  const variable = Buffer.from(`${CALL_MARK}=${callId}\0`)
  const limit = Buffer.from(`Max file locks            ${lockLimitOf(callId)} `)
  return (pid) => holds(`/proc/${pid}/environ`, variable) || holds(`/proc/${pid}/limits`, limit)
}

/** False also where it may not be read: the environment of another user's process. */
function holds(path: string, bytes: Buffer): boolean {
  try {
    return readFileSync(path).includes(bytes)
  } catch {
    return false
  }
}

function listPids(): number[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []))
}

/** What identifies a process beyond its reusable number; undefined when it is gone or cannot be told here. */
export function processStart(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}

export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It ended by itself meanwhile.
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
