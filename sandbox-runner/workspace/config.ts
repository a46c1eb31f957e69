/** `.stint/config.json` of a repo: data of that repo, read leniently. What does not fit is left out, never fatal. */
import { z } from 'zod'
import { REPO_RULES_MAX } from '../limits.ts'
import { NarrowingRule } from '../protocol.ts'
import type { RepoConfig } from '../text/testing.ts'

const Config = z.object({
  testCommand: z.string().min(1).max(500).optional().catch(undefined),
  setupCommand: z.string().min(1).max(500).optional().catch(undefined),
})

/** Rules of `policy.rules` that make policy stricter. What else stands there is left out: a repo allows nothing. */
export function readRules(text: string | undefined): NarrowingRule[] {
  try {
    const rules: unknown = JSON.parse(text ?? '{}')?.policy?.rules
    if (!Array.isArray(rules)) return []
    return rules.slice(0, REPO_RULES_MAX).flatMap((rule) => NarrowingRule.safeParse(rule).data ?? [])
  } catch {
    return []
  }
}

export function readConfig(text: string | undefined): RepoConfig {
  try {
    const { testCommand, setupCommand } = Config.parse(JSON.parse(text ?? '{}'))
    return { ...(testCommand ? { testCommand } : {}), ...(setupCommand ? { setupCommand } : {}) }
  } catch {
    return {}
  }
}
