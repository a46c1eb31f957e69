/**
 * Runs one command line in bash and ends with it: whatever the command leaves running is ended too, always, because a
 * snapshot of a workspace that something still writes to is worth nothing. Both output streams go into one, in order.
 */
import { spawn } from 'node:child_process'
import type { ShellResult } from '../define.ts'
import { DRAIN_MS_MAX, OUTPUT_BYTES_MAX } from '../limits.ts'
import { Output } from './output.ts'
import { alive, endCall, lockLimitOf, processesNow } from './processes.ts'

export type ShellOptions = {
  callId: string
  cwd: string
  env: Record<string, string>
  timeoutMs: number
  /** Takes the whole of a long output; answers the path at which read_file finds it, if it could be kept. */
  keep: (content: Buffer) => string | undefined
  signal?: AbortSignal
  onStart?: (pid: number) => void
}

/** Never rejects for what the command does; it rejects when bash cannot be started at all. */
export async function shell(command: string, options: ShellOptions): Promise<ShellResult> {
  const before = processesNow()
  const started = performance.now()
  // One stream for both, and a mark that cannot be dropped, before the command itself is read.
  const begin = `exec 2>&1; ulimit -x ${lockLimitOf(options.callId)} 2>/dev/null || :`
  const child = spawn('bash', ['--noprofile', '--norc', '-c', `${begin}\n${command}`], {
    cwd: options.cwd,
    env: options.env,
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const output = new Output()
  let ended: ShellResult['ended']
  let ending: Promise<number> | undefined
  const stop = (why: NonNullable<ShellResult['ended']>) => {
    if (ended !== undefined) return
    ended = why
    ending = endCall(child.pid, options.callId, before, true)
  }
  child.stdout.on('data', (chunk: Buffer) => {
    output.add(chunk)
    if (output.bytes > OUTPUT_BYTES_MAX) stop('output')
  })
  const closed = new Promise<void>((resolve) => child.stdout.once('close', resolve))
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
  if (child.pid !== undefined) options.onStart?.(child.pid)
  const timer = setTimeout(() => stop('timeout'), options.timeoutMs)
  const cancelled = () => stop('cancelled')
  options.signal?.addEventListener('abort', cancelled, { once: true })
  if (options.signal?.aborted) cancelled()
  try {
    const { code, signal } = await exited
    // A daemon may hold the pipe open for ever: end what is left first, then drain what is there.
    if (child.pid !== undefined && (ended || alive(-child.pid) || leftBehind(before)))
      await endCall(child.pid, options.callId, before, false)
    // Or it would go on to end the same call of whoever repeats it.
    await ending
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, DRAIN_MS_MAX))])
    child.stdout.destroy()
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
    }
  } finally {
    clearTimeout(timer)
    options.signal?.removeEventListener('abort', cancelled)
  }
}

/** True when a process appeared since: only then is the search for escaped ones worth its time. */
const leftBehind = (before: Set<number>): boolean => {
  for (const pid of processesNow()) if (!before.has(pid)) return true
  return false
}
