/**
 * Ends whole process trees. A command's own group is not enough: `setsid`, `nohup` and double forks leave it. On Linux
 * every process of a call carries the call's mark in its environment, and whoever dropped that is still found as a
 * descendant; both are looked up in /proc until nothing new appears. Elsewhere the group is all there is.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { KILL_GRACE_MS } from '../limits.ts'
import { CALL_MARK } from './environment.ts'

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

/** Marked processes, members of the group, and everything below either. Zombies do not count. */
function survivors(group: number | undefined, callId: string, before: Set<number>): number[] {
  if (process.platform !== 'linux') return []
  const mark = Buffer.from(`${CALL_MARK}=${callId}\0`)
  const parents = new Map<number, number>()
  const found = new Set<number>()
  for (const pid of listPids()) {
    if (before.has(pid) || pid === process.pid) continue
    const stat = statOf(pid)
    if (!stat || stat.state === 'Z' || stat.state === 'X') continue
    parents.set(pid, stat.parent)
    if (stat.group === group || hasMark(pid, mark)) found.add(pid)
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

function statOf(pid: number): { state: string; parent: number; group: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The name may hold spaces and brackets: the fields begin after the last bracket.
    const [state = '', parent, group] = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { state, parent: Number(parent), group: Number(group) }
  } catch {
    return undefined
  }
}

function hasMark(pid: number, mark: Buffer): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`).includes(mark)
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
