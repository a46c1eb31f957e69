/**
 * What a run is told of earlier ones when it begins. Memory is looked up beside the work on the workspace, for a bounded
 * time: a run begins without what does not come.
 */
import { knownText } from '../core/facts.ts'
import { RECALL_FACTS_MAX, RECALL_MS_MAX } from '../core/limits.ts'
import type { Run } from '../core/types.ts'
import type { Ports } from '../ports.ts'

/** Never throws. */
export async function whatIsKnown({ by, repo, task }: Run, { memory, clock }: Ports): Promise<string | undefined> {
  if (!memory) return undefined
  const over = new AbortController()
  const recalled = memory.recall({ by, repo: repo?.url }, task, RECALL_FACTS_MAX)
  try {
    const found = await Promise.race([recalled, clock.sleep(RECALL_MS_MAX, over.signal)])
    return found ? knownText(found.facts) : undefined
  } finally {
    over.abort()
  }
}
