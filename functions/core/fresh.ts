import type { Run } from './types.ts'

export const NOTHING_USED = { inputTokens: 0, cachedTokens: 0, outputTokens: 0, costUsd: 0 }

type Given = Pick<
  Run,
  'runId' | 'sessionId' | 'kind' | 'task' | 'limits' | 'approval' | 'model' | 'workspaceId' | 'createdAt'
> &
  Partial<Run>

/** A run at its very beginning: nothing done, nothing spent, the workspace still to be prepared. */
export const freshRun = (given: Given): Run => ({
  status: 'queued',
  step: 0,
  turns: 0,
  attempt: 0,
  rateWaits: 0,
  formatErrors: 0,
  checks: 0,
  action: { type: 'prepare' },
  pending: [],
  plan: [],
  usage: NOTHING_USED,
  workedMs: 0,
  remembered: [],
  diffStat: { files: 0, additions: 0, deletions: 0 },
  inboxSeen: 0,
  eventSeq: 1,
  messageSeq: 0,
  updatedAt: given.createdAt,
  ...given,
})
