/** What is known of each run from its commits, and the real rows compared with it. */
import type { InboxEntry, Run } from '../../functions/core/types.ts'
import { chain } from '../../sandbox-runner/workspace/stack.ts'
import type { Told } from './transcript.ts'
import { Violation } from './violation.ts'
import type { Backend } from './world/backend.ts'
import { type Files, sameFiles, withLayer } from './world/files.ts'

/** A run as the store must have it. */
export type Seen = {
  run: Run
  label: string
  token: number
  owner: string
  leaseUntil: number
  lastCommit: string
  /** Commits by token and step. */
  commits: Set<string>
  messages: string[]
  events: string[]
  /** Its files before its first message. */
  begins: Files
  told: Told
  posts: InboxEntry[]
  decided: Map<string, boolean>
  claimsMax: number
  /** World time of the newest commit. */
  changedAt: number
  /** When somebody sent what it waits for. */
  wokenAt: number
}

/** The rows are what the commits made; the newest `messages` and `events` are compared word by word. */
export async function compare(backend: Backend, seen: Seen, messages: number, events: number): Promise<void> {
  const { runId } = seen.run
  const row = await backend.row(runId)
  if (!row) throw new Violation('I1', `${runId} is gone`)
  if (row.token !== seen.token) throw new Violation('I3', `${runId} has token ${row.token}, not ${seen.token}`)
  for (const [what, count, known, from, read] of [
    ['messages', row.messages, seen.messages, messages, backend.messages],
    ['events', row.events, seen.events, events, backend.events],
  ] as const) {
    if (count !== known.length) throw new Violation('I1', `${runId} has ${count} ${what}, not ${known.length}`)
    if (from === 0) continue
    const rows = await read(runId, known.length - from)
    for (const [i, found] of rows.entries())
      if (found !== known[known.length - from + i])
        throw new Violation('I1', `${runId} has other ${what} than committed`)
  }
  if (row.run.messageSeq !== seen.messages.length || row.run.eventSeq !== seen.events.length)
    throw new Violation('I1', `${runId} counts ${row.run.messageSeq} messages and ${row.run.eventSeq} events`)
  if (row.run.step !== row.step || row.run.status !== row.status)
    throw new Violation('I2', `${runId} is at step ${row.step} ${row.status}, its record at ${row.run.step}`)
}

/** Every layer of the snapshot is stored, and together they are the files that the transcript tells of. */
export async function restorable(backend: Backend, { runId, workspaceId, head }: Run, files: Files): Promise<void> {
  let [id, stored]: [string, Files] = ['', new Map()]
  const layers = await backend.layers(workspaceId)
  for (const layer of layers.slice(0, head?.count)) {
    id = chain(id, layer.id)
    stored = withLayer(stored, Buffer.from(layer.inline ?? '', 'base64'))
  }
  if (id !== head?.id) throw new Violation('I9', `the workspace of ${runId} cannot be restored at ${head?.count}`)
  if (sameFiles(stored, files)) return
  throw new Violation('I5', `the workspace of ${runId} is ${show(stored)}, the transcript tells ${show(files)}`)
}

const show = (files: Files): string => JSON.stringify(Object.fromEntries(files))
