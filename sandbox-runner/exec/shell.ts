/**
 * Runs one command line in bash and ends with it: whatever the command leaves running is ended too, always, because a
 * snapshot of a workspace that something still writes to is worth nothing. Both output streams go into one, in order.
 * It is held in by what the machine has for that, and ended when it uses more than its limits.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import type { ShellResult } from '../define.ts'
import { DRAIN_MS_MAX, OUTPUT_BYTES_MAX } from '../limits.ts'
import { removeAll } from '../workspace/tree.ts'
import { STATUS_PIPE } from './bubblewrap.ts'
import { commandEnvironment, type Places } from './environment.ts'
import type { Isolation } from './isolation.ts'
import { Output } from './output.ts'
import {
  alive,
  below,
  endCall,
  endNamespace,
  lockLimitOf,
  type Process,
  processesNow,
  processesOf,
  processStart,
} from './processes.ts'
import { type CommandLimits, watch } from './watch.ts'

/** What a command runs on. */
export type Machine = { isolation: Isolation; limits: CommandLimits }

export type ShellOptions = {
  callId: string
  /** A folder of the tree. */
  cwd: string
  places: Places
  machine: Machine
  timeoutMs: number
  /** Takes the whole of a long output; answers the path at which read_file finds it, if it could be kept. */
  keep: (content: Buffer) => string | undefined
  signal?: AbortSignal
}

/** Never rejects for what the command does; it rejects when bash cannot be started at all. */
export async function shell(command: string, options: ShellOptions): Promise<ShellResult> {
  const started = performance.now()
  const tree = startTree(command, options)
  const { child } = tree
  const output = new Output()
  let ended: ShellResult['ended']
  let ending: Promise<unknown> | undefined
  const stop = (why: NonNullable<ShellResult['ended']>) => {
    if (ended !== undefined) return
    ended = why
    ending = tree.end(true)
  }
  child.stdout?.on('data', (chunk: Buffer) => {
    output.add(chunk)
    if (output.bytes > OUTPUT_BYTES_MAX) stop('output')
  })
  const closed = new Promise<void>((resolve) => child.stdout?.once('close', resolve))
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
  const { limits } = options.machine
  const unwatch = watch({ limits, places: options.places, processes: tree.processes, exceeded: stop })
  const timer = setTimeout(() => stop('timeout'), options.timeoutMs)
  const cancelled = () => stop('cancelled')
  options.signal?.addEventListener('abort', cancelled, { once: true })
  if (options.signal?.aborted) cancelled()
  try {
    const { code, signal } = await exited
    // A daemon may hold the pipe open for ever: end what is left first, then drain what is there.
    await tree.end(false)
    // Or it would go on to end the same call of whoever repeats it.
    await ending
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, DRAIN_MS_MAX))])
    child.stdout?.destroy()
    const { text, truncated } = output.end(options.keep)
    const durationMs = Math.round(performance.now() - started)
    return {
      exitCode: code,
      signal,
      ...(ended ? { ended } : {}),
      output: text,
      outputBytes: output.bytes,
      truncated,
      durationMs,
      offline: options.machine.isolation.kind !== 'none',
    }
  } finally {
    unwatch()
    clearTimeout(timer)
    // Nothing temporary outlives its command, least of all what filled the disk.
    removeAll(options.places.temp)
    options.signal?.removeEventListener('abort', cancelled)
  }
}

/** A command with all that it starts. */
type Tree = {
  child: ChildProcess
  processes: () => number[]
  /** Resolves when nothing of it runs any more. */
  end(polite: boolean): Promise<unknown>
}

function startTree(command: string, { callId, cwd, places, machine }: ShellOptions): Tree {
  const { isolation, limits } = machine
  const inNamespace = isolation.kind === 'namespace'
  // A little nicer than the runner, which must be able to end it whatever it does.
  const argv = ['nice', '-n', '5', 'bash', '--noprofile', '--norc', '-c', `${opening(callId, limits)}\n${command}`]
  const env = commandEnvironment(places, callId, inNamespace ? { TMPDIR: '/tmp' } : {})
  const [program = '', ...args] = isolation.hold(argv, places, cwd)
  const before = inNamespace ? new Set<number>() : processesNow()
  const child = spawn(program, args, {
    cwd,
    env,
    detached: true,
    stdio: inNamespace ? ['ignore', 'pipe', 'pipe', 'pipe'] : ['ignore', 'pipe', 'ignore'],
  })
  const { pid } = child
  if (pid === undefined) return { child, processes: () => [], end: async () => {} }
  if (inNamespace) return { child, ...namespaceOf(child) }
  const end = async (polite: boolean) => {
    if (polite || alive(-pid) || leftBehind(before)) await endCall(pid, callId, before, polite)
  }
  return { child, processes: processesOf(pid, callId, before), end }
}

/** Bubblewrap tells on a pipe which process is the first of the namespace; without one it could not start. */
function namespaceOf(child: ChildProcess): Omit<Tree, 'child'> {
  let first: Process | undefined
  let said = ''
  let status = ''
  child.stderr?.on('data', (part: Buffer) => (said += part))
  const known = new Promise<Process>((resolve, reject) => {
    child.stdio[STATUS_PIPE]?.on('data', (part: Buffer) => {
      status += part
      const pid = Number(/"child-pid": (\d+)/.exec(status)?.[1])
      if (first || !pid) return
      first = { pid, start: processStart(pid) }
      resolve(first)
    })
    const never = () => reject(new Error(`bubblewrap could not start a command: ${said.trim().slice(0, 300)}`))
    child.once('error', never).once('close', never)
  })
  known.catch(() => {})
  return {
    processes: () => (first ? below(first.pid) : []),
    end: async (polite) => endNamespace(await known, polite),
  }
}

/** The watch ends a command with its reason; the kernel only where nobody watches. */
const CPU_SECONDS_MORE = 5

/**
 * What is run before the command is read: one stream for both, no descriptor but those, a mark that cannot be dropped,
 * and the limits that the kernel sees to by itself. Where memory is short, the command goes before the runner does.
 */
const opening = (callId: string, { cpuSeconds, diskBytes }: CommandLimits): string =>
  [
    'exec 2>&1',
    `for f in /dev/fd/*; do f=\${f##*/}; case $f in [012]|'*') ;; *) eval "exec $f>&-";; esac; done; unset f`,
    `{ ulimit -x ${lockLimitOf(callId)}; ulimit -c 0; ulimit -t ${Math.ceil(cpuSeconds) + CPU_SECONDS_MORE}; } 2>/dev/null`,
    `ulimit -f ${Math.ceil(diskBytes / 1024)} 2>/dev/null; echo 500 2>/dev/null >/proc/self/oom_score_adj`,
    ':',
  ].join('; ')

/** True when a process appeared since: only then is the search for escaped ones worth its time. */
const leftBehind = (before: Set<number>): boolean => {
  for (const pid of processesNow()) if (!before.has(pid)) return true
  return false
}
