/** `.stint/config.json` of a repo: data of that repo, read leniently. What does not fit is left out, never fatal. */
import { z } from 'zod'
import type { RepoConfig } from '../text/testing.ts'

const Config = z.object({
  testCommand: z.string().min(1).max(500).optional().catch(undefined),
  setupCommand: z.string().min(1).max(500).optional().catch(undefined),
})

export function readConfig(text: string | undefined): RepoConfig {
  try {
    const { testCommand, setupCommand } = Config.parse(JSON.parse(text ?? '{}'))
    return { ...(testCommand ? { testCommand } : {}), ...(setupCommand ? { setupCommand } : {}) }
  } catch {
    return {}
  }
}
