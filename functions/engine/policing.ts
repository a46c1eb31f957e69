/** What policy knows of a run: what holds commands in, the server's rules, and those of its repo once it is there. */
import type { Policing } from '../core/policy.ts'
import type { Run } from '../core/types.ts'
import type { Ports } from '../ports.ts'

export const policingOf = async ({ sandbox, settings }: Ports, run?: Run): Promise<Policing> => ({
  isolation: await sandbox.isolation(),
  ...(settings.rules ? { server: settings.rules } : {}),
  ...(run?.rules ? { repo: run.rules } : {}),
})
