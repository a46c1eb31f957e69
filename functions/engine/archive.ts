/**
 * Takes a run that has ended to the archive, as it will stand after the step that says so: later reads cannot tell
 * whether the store or the archive answered. Doing it again changes nothing.
 */
import { step } from '../core/step.ts'
import type { Outcome } from '../core/types.ts'
import type { EndedRun, Ports } from '../ports.ts'
import type { Held } from './held.ts'

type Archived = Omit<Extract<Outcome, { type: 'archived' }>, 'at' | 'workedMs' | 'inbox'>
const ARCHIVED: Archived = { type: 'archived', ok: true, detail: '' }

/** Throws when the store cannot be read; an archive that cannot be reached is an outcome. */
export async function archiveRun(held: Held, { archive, store }: Ports): Promise<Archived> {
  if (!archive) return { ...ARCHIVED, ok: false, detail: 'this process has no archive: set DATABASE_URL' }
  const ended = await collect(held, store)
  const { runId } = ended.run
  try {
    await archive.keep(ended, held.signal)
    // Somebody may have said what they think of it meanwhile; whoever does so from now on writes to both.
    const feedback = await store.feedback(runId)
    if (feedback && feedback.at !== ended.feedback?.at) await archive.rate(runId, feedback)
    return ARCHIVED
  } catch (error) {
    return { ...ARCHIVED, ok: false, detail: (error as Error).message }
  }
}

async function collect({ run, messages }: Held, store: Ports['store']): Promise<EndedRun> {
  const { runId, sessionId, workspaceId } = run
  const [session, events, marks, layers, feedback] = await Promise.all([
    store.session(sessionId),
    store.events(runId, 0),
    store.marks(runId),
    run.head ? store.layers(workspaceId) : [],
    store.feedback(runId),
  ])
  if (!session) throw new Error(`session ${sessionId} is being removed`)
  const closed = step(run, { ...ARCHIVED, at: run.updatedAt, workedMs: 0, inbox: [] }).run
  const { head, messageSeq } = closed
  return {
    run: closed,
    session,
    messages,
    events,
    marks: [...marks, { step: closed.step, messageSeq, ...(head ? { head } : {}) }],
    // A later run of the session may have begun to add its own.
    layers: layers.filter(({ snapshot }) => snapshot.count <= (head?.count ?? 0)),
    ...(feedback ? { feedback } : {}),
  }
}
