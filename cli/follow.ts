/** Follows a run on the terminal until it ends, or waits for somebody who is not here. */
import { putToPerson } from './ask.ts'
import type { Client } from './client.ts'
import type { EventView, RunView } from './contract.ts'
import { clock, dollars, onBrokenPipe, oneLine, Screen, yellow } from './output.ts'
import { Progress } from './progress.ts'

export type Style = 'live' | 'json' | 'quiet'
export type Watching = {
  client: Client
  runId: string
  style: Style
  /** The newest event that is not shown. */
  after?: number
  /** What Ctrl-C does at first: `run` cancels what it began, the others only stop watching. */
  interrupt: 'cancel' | 'leave'
  /** ` --server URL` for the commands that are suggested; '' for this machine. */
  suffix: string
}
/** Why following stopped: the run ended, it waits and nobody is here to ask, or the person left. */
export type Followed = { run: RunView; why: 'ended' | 'waits' | 'left' }

const LOOK_MS = 2000

export async function follow(watching: Watching): Promise<Followed> {
  const { client, runId, style, after = 0 } = watching
  const screen = new Screen()
  const progress = new Progress(screen)
  const stop = new AbortController()
  const undo = onInterrupt(watching, screen, stop)
  // What is read by nobody any more leaves the run as it stands, and says so by the exit code.
  onBrokenPipe.code = 3
  const look = setInterval(() => void notice(watching, progress), LOOK_MS)
  if (style === 'live')
    screen.begin(
      () => `${clock(progress.elapsedMs)} · turn ${progress.turns} · ${dollars(progress.costUsd)} · ${progress.doing}`,
    )
  try {
    for await (const event of client.events(runId, after, stop.signal)) {
      if (style === 'json') process.stdout.write(`${JSON.stringify(event)}\n`)
      else if (style === 'live') progress.show(event)
      const waits = await stillWaits(client, runId, event)
      if (!waits) continue
      const here = style === 'live' && process.stdin.isTTY && process.stdout.isTTY
      if (!here || !(await screen.aside(() => putToPerson(client, runId, event))))
        return { run: await client.run(runId), why: 'waits' }
    }
    return { run: await client.run(runId), why: stop.signal.aborted ? 'left' : 'ended' }
  } catch (error) {
    if (!stop.signal.aborted) throw error
    return { run: await client.run(runId), why: 'left' }
  } finally {
    clearInterval(look)
    undo()
    stop.abort()
    screen.end()
    onBrokenPipe.code = 0
  }
}

/** True when the run waits for a person right now: an event tells of a wait that may be over long since. */
async function stillWaits(client: Client, runId: string, { type, data }: EventView): Promise<boolean> {
  if (type !== 'run.waiting' || (data.kind !== 'approval' && data.kind !== 'question')) return false
  const { status, waitingFor } = await client.run(runId)
  return status === 'waiting' && (waitingFor as { callId?: string } | undefined)?.callId === data.callId
}

/** Nothing happened for a while: perhaps the model is being asked again, or a limit makes the run wait. */
async function notice({ client, runId, style }: Watching, progress: Progress): Promise<void> {
  if (style !== 'live' || progress.quietMs < LOOK_MS) return
  const run = await client.run(runId).catch(() => undefined)
  if (run?.trouble)
    progress.doing = `${run.trouble.code}: ${oneLine(run.trouble.message, 60)}; trying again (${run.attempt})`
  else if (run?.waitingFor)
    progress.doing = `waits (${run.waitingFor.kind}) until ${new Date(run.waitingFor.until).toLocaleTimeString()}`
}

function onInterrupt(
  { client, runId, interrupt, suffix }: Watching,
  screen: Screen,
  stop: AbortController,
): () => void {
  let asked = 0
  const leave = () => {
    screen.end()
    process.stderr.write(`\nleft; the run is kept as it stands: stint watch ${runId}${suffix}\n`)
    process.exit(3)
  }
  const handle = () => {
    if (++asked > 1) leave()
    if (interrupt === 'leave') return stop.abort()
    screen.print(yellow('cancelling; Ctrl-C again leaves at once'))
    client.post(`/runs/${runId}/cancel`, { reason: 'Ctrl-C at the terminal' }).catch(() => {})
  }
  process.on('SIGINT', handle)
  return () => void process.off('SIGINT', handle)
}
