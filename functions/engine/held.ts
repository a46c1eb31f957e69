import type { Message, Run } from '../core/types.ts'

/** A run as one stint holds it; `commits` counts those of this stint. */
export type Held = { run: Run; messages: Message[]; token: number; signal: AbortSignal; commits: number }
