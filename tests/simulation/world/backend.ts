/** A real store under simulated processes, and the simulation's own look into its rows. */
import type { Layer, Run } from '../../../functions/core/types.ts'
import type { Store } from '../../../functions/ports.ts'

export type Row = { run: Run; status: string; step: number; token: number; messages: number; events: number }

export type Rows = Record<string, unknown[]>

export type Backend = {
  name: 'sqlite' | 'redis'
  store: Store
  /** What is stored of a run, read beside the adapter. */
  row(runId: string): Promise<Row | undefined>
  /** JSON texts from the given count on. */
  messages(runId: string, after: number): Promise<string[]>
  events(runId: string, after: number): Promise<string[]>
  layers(workspaceId: string): Promise<Layer[]>
  /** Remembers all rows of a run and its session; the answer puts them back as they were. */
  save(run: { runId: string; sessionId: string; workspaceId: string }): Promise<() => Promise<void>>
  /** Everything there is, by table or key, as plain JSON. */
  dump(): Promise<Rows>
  /** Adds what was dumped. */
  load(rows: Rows): Promise<void>
  /** Removes everything. */
  wipe(): Promise<void>
  close(): Promise<void>
}
