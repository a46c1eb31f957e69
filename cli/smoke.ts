/**
 * A deployment tried from end to end: one run of 40 turns on the scripted model, which reads, writes and commands, watched
 * as it goes and removed afterwards. It costs no model; it needs a key with the scope admin, as that model does.
 */
import type { Client, Refusal } from './client.ts'
import type { EventView, RunView } from './contract.ts'

/** More than the 16 invocations after which AWS ends a chain, whatever length a stint has there. */
export const SMOKE_TURNS = 40
const SMOKE_SECONDS_MAX = 600

export type Smoke = { state: 'ok' | 'missing' | 'failed'; detail: string; fix?: string }

export async function smoke(client: Client, secondsMax = SMOKE_SECONDS_MAX): Promise<Smoke> {
  const began = Date.now()
  let admitted: { runId: string; sessionId: string }
  try {
    admitted = await client.post('/execute', {
      task: `walk ${SMOKE_TURNS}`,
      model: 'scripted',
      approval: 'auto',
      limits: { turns: SMOKE_TURNS + 10, seconds: secondsMax },
    })
  } catch (error) {
    const { status, message } = error as Refusal
    if (status !== 403) return { state: 'failed', detail: message, fix: 'the log of the API tells why' }
    return { state: 'missing', detail: 'no run was tried', fix: 'a key with the scope admin can try one' }
  }
  const { runId, sessionId } = admitted
  try {
    const events = await watch(client, runId, secondsMax)
    const problem = wrongWith(events, await client.run(runId), secondsMax)
    if (problem) return { state: 'failed', detail: `${runId}: ${problem}`, fix: 'docs/operations tells where to look' }
    const seconds = ((Date.now() - began) / 1000).toFixed(1)
    return { state: 'ok', detail: `${SMOKE_TURNS} turns, ${events.length} events in order, ${seconds} s` }
  } catch (error) {
    return { state: 'failed', detail: `${runId}: ${(error as Error).message}`, fix: 'the log of the API tells why' }
  } finally {
    // What was only a trial leaves nothing; where that fails it is one session more.
    await client.delete(`/session/${sessionId}`).catch(() => {})
  }
}

async function watch(client: Client, runId: string, secondsMax: number): Promise<EventView[]> {
  const events: EventView[] = []
  for await (const event of client.events(runId, 0, AbortSignal.timeout(secondsMax * 1000)))
    if (event.seq !== undefined) events.push(event)
  return events
}

/** Undefined when the run did what it should and everything of it was told once and in order. */
function wrongWith(events: EventView[], run: RunView, secondsMax: number): string | undefined {
  const gap = events.findIndex(({ seq }, i) => seq !== i + 1)
  if (gap !== -1) return `event ${gap + 1} came as ${events[gap]?.seq}`
  if (run.status === 'running' || run.status === 'queued')
    return `still ${run.status} at turn ${run.turns} after ${secondsMax} s`
  if (run.status !== 'completed') return `ended as ${run.status} (${run.stopReason}): ${run.answer ?? ''}`.slice(0, 300)
  if (run.turns !== SMOKE_TURNS) return `has ${run.turns} turns, not ${SMOKE_TURNS}`
  const tools = events.filter(({ type }) => type === 'tool.completed').length
  return tools === SMOKE_TURNS - 1 ? undefined : `told of ${tools} finished calls, not ${SMOKE_TURNS - 1}`
}
