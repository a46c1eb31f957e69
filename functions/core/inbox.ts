/** How what people send meets what a run waits for; stores compare these words and look into nothing. */
import type { InboxEntry, Run } from './types.ts'

/** `decision:<callId>`, `message` or `cancel`. */
export const topicOf = (entry: Pick<InboxEntry, 'type'> & { decision?: { callId: string } }): string =>
  entry.type === 'decision' ? `decision:${entry.decision?.callId}` : entry.type

/** The topic that wakes a waiting run; undefined when only its deadline (or a cancel) does. */
export function awaitedTopic({ status, waitingFor }: Pick<Run, 'status' | 'waitingFor'>): string | undefined {
  if (status !== 'waiting') return undefined
  if (waitingFor?.kind === 'approval') return `decision:${waitingFor.callId}`
  return waitingFor?.kind === 'question' ? 'message' : undefined
}

/** Nothing is left to do for it, not even to tell somebody. */
export const isClosed = (run: Pick<Run, 'status' | 'action'>): boolean => hasEnded(run) && run.action.type === 'stop'

export const hasEnded = ({ status }: Pick<Run, 'status'>): boolean =>
  status === 'completed' || status === 'failed' || status === 'cancelled'
