/**
 * A second run from the middle of a first: its transcript and its files as they were after a step, in a session and a
 * workspace of their own. The first run is only read; what was approved for it is asked about again.
 */
import { startedEvent } from '../core/events.ts'
import { goingOnFrom, planIn } from '../core/fork.ts'
import { freshRun } from '../core/fresh.ts'
import type { Message, Run, Session } from '../core/types.ts'
import type { Mark, Ports } from '../ports.ts'
import { type Admitted, learnsFrom, refuse } from './admit.ts'

export type ForkRequest = {
  runId: string
  step: number
  task?: string | undefined
  model?: string | undefined
  by?: string | undefined
}

export async function fork({ runId, step, task, model, by }: ForkRequest, ports: Ports): Promise<Admitted> {
  const { store, clock, ids, queue } = ports
  const from = await store.run(runId)
  if (!from) return refuse('run_not_found', `there is no run ${runId}`)
  if (from.kind === 'tool')
    return refuse('fork_refused', `run ${runId} is a single tool call; there is nothing to go on from`)
  const marks = await store.marks(runId)
  const mark = marks.find((found) => found.step === step)
  if (!mark) return refuse('step_not_found', `run ${runId} has the steps 0 to ${marks.at(-1)?.step ?? 0}`)
  const kept = await transcript(from, mark, task, ports)
  // A row of calls that was not done is taken back, with what its first ones did to the files.
  const { head } = marks.findLast((found) => found.step <= step && found.messageSeq <= kept.length) ?? mark
  const layers = head
    ? (await store.layers(from.workspaceId)).filter(({ snapshot }) => snapshot.count <= head.count)
    : []
  if (layers.length < (head?.count ?? 0)) return refuse('run_not_found', `run ${runId} is being removed`)
  const now = clock.now()
  const session: Session = {
    sessionId: ids.next('ses'),
    ...(from.repo ? { repo: from.repo } : {}),
    workspaceId: ids.next('wsp'),
    ...(head ? { head } : {}),
    createdAt: now,
    updatedAt: now,
  }
  // Before the workspace was there nothing was said: the task is simply another one.
  const said: Message[] = task === undefined || kept.length === 0 ? [] : [{ role: 'user', content: task, from: 'task' }]
  const messages = [...kept, ...said]
  const made = {
    runId: ids.next('run'),
    task,
    model,
    by,
    now,
    archived: ports.archive !== undefined,
    learns: learnsFrom(from.kind, model ?? from.model, ports),
  }
  const run = forked(from, mark, messages, session, made)
  const reply = await store.start({ run, session, messages, events: [startedEvent(run)], layers, now })
  if (!reply.ok) throw new Error(`a new session cannot be ${reply.code}`)
  await queue.send({ runId: run.runId, step: run.step }, 0)
  return reply
}

async function transcript(from: Run, mark: Mark, task: string | undefined, { store }: Ports): Promise<Message[]> {
  const messages = mark.messageSeq === 0 ? [] : await store.messages(from.runId, 0, mark.messageSeq)
  return goingOnFrom(messages, task !== undefined)
}

function forked(
  from: Run,
  mark: Mark,
  messages: Message[],
  session: Session,
  made: Pick<ForkRequest, 'runId' | 'task' | 'model' | 'by'> & { now: number; archived: boolean; learns: boolean },
): Run {
  const { kind, limits, approval, repo } = from
  return freshRun({
    runId: made.runId,
    sessionId: session.sessionId,
    kind,
    task: made.task ?? from.task,
    limits,
    approval,
    model: made.model ?? from.model,
    plan: planIn(messages),
    ...(repo ? { repo } : {}),
    ...(made.by ? { by: made.by } : {}),
    ...(made.learns ? { learn: 'wanted' as const } : {}),
    ...(made.archived ? { archive: 'wanted' as const } : {}),
    workspaceId: session.workspaceId,
    // The diff still counts from where the first run began.
    ...(session.head ? { head: session.head } : {}),
    ...(session.head && from.start ? { start: from.start } : {}),
    forkedFrom: { runId: from.runId, step: mark.step },
    messageSeq: messages.length,
    createdAt: made.now,
  })
}
