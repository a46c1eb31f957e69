/**
 * Looks at what a command uses while it runs, all its processes together, and says when it is too much: processor time,
 * memory, processes, disk. It looks a few times a second, so a command may go a little beyond a limit before it ends.
 * Memory is what processes have to themselves: pages of files and of shared memory are not counted. On Linux alone; of
 * other systems only the disk is looked at.
 */
import { execFile } from 'node:child_process'
import { readFileSync, type StatsFs, statfsSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import type { Limited } from '../define.ts'
import {
  COMMAND_CPU_SECONDS_MAX,
  COMMAND_DISK_BYTES_MAX,
  COMMAND_MEMORY_SHARE_MAX,
  COMMAND_PROCESSES_MAX,
  DISK_BYTES_NOTICED,
  DISK_SHARE_LEFT_MIN,
  WATCH_EVERY_MS,
} from '../limits.ts'
import type { Places } from './environment.ts'
import { statOf } from './processes.ts'

export type CommandLimits = { cpuSeconds: number; memoryBytes: number; processes: number; diskBytes: number }

export const commandLimits = (): CommandLimits => ({
  cpuSeconds: COMMAND_CPU_SECONDS_MAX * availableParallelism(),
  memoryBytes: COMMAND_MEMORY_SHARE_MAX * Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY),
  processes: COMMAND_PROCESSES_MAX,
  diskBytes: COMMAND_DISK_BYTES_MAX,
})

/** Linux counts processor time in these, whatever the kernel's own clock. */
const TICKS_PER_SECOND = 100
const PAGE_BYTES = 4096

export type Watched = {
  limits: CommandLimits
  places: Places
  /** The processes of the command as they are now. */
  processes: () => number[]
  exceeded: (limit: Limited) => void
}

/** Answers how to stop looking. */
export function watch({ limits, places, processes, exceeded }: Watched): () => void {
  let over = false
  let measuring = false
  let before = statfsSync(places.tree)
  const look = (): Limited | undefined => {
    const pids = processes()
    if (pids.length > limits.processes) return 'processes'
    let ticks = 0
    let bytes = 0
    for (const pid of pids) {
      ticks += statOf(pid)?.ticks ?? 0
      bytes += ownBytes(pid)
    }
    if (bytes > limits.memoryBytes) return 'memory'
    if (ticks > limits.cpuSeconds * TICKS_PER_SECOND) return 'cpu'
    const now = statfsSync(places.tree)
    const written = (before.bavail - now.bavail) * now.bsize
    const files = before.ffree - now.ffree
    if (nearlyFull(now) && (written > DISK_BYTES_NOTICED || files > 10_000)) return 'disk'
    // Others write to this disk too: it is measured before anybody is blamed.
    if (written > limits.diskBytes / 4 && !measuring) {
      measuring = true
      before = now
      void sizeOf(places).then((size) => {
        measuring = false
        if (size > limits.diskBytes && !over) stop('disk')
      })
    }
    return undefined
  }
  const timer = setInterval(() => {
    const limit = look()
    if (limit) stop(limit)
  }, WATCH_EVERY_MS)
  const stop = (limit?: Limited) => {
    over = true
    clearInterval(timer)
    if (limit) exceeded(limit)
  }
  return () => stop()
}

const nearlyFull = ({ bavail, blocks, ffree, files }: StatsFs): boolean =>
  bavail < blocks * DISK_SHARE_LEFT_MIN || (files > 0 && ffree < files * DISK_SHARE_LEFT_MIN)

function ownBytes(pid: number): number {
  try {
    const [, resident, shared] = readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')
    return (Number(resident) - Number(shared)) * PAGE_BYTES
  } catch {
    return 0
  }
}

const sizeOf = ({ tree, home, temp }: Places): Promise<number> =>
  new Promise((resolve) => {
    // It fails in part when files go while it looks, and has counted the rest.
    execFile('du', ['-skxc', tree, home, temp], { maxBuffer: 64 * 1024 * 1024 }, (_error, stdout) => {
      resolve(Number(/^(\d+)\s.*\n?$/.exec(stdout.trim().split('\n').at(-1) ?? '')?.[1] ?? 0) * 1024)
    })
  })
