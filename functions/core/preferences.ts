/**
 * What people want of every run: how it is done where the request says nothing, and words for the agent. The nearest
 * preference of a name holds: one's own within a repo, one's own, the repo's, the organisation's, everybody's.
 */
import { z } from 'zod'
import { orgOf, ownScope, repoScope, userScope, type Whose } from './facts.ts'
import { PREFERENCE_CHARS_MAX, PREFERENCES_TOLD_MAX, RUN_COST_USD_MAX } from './limits.ts'
import type { Preference } from './records.ts'
import { redact } from './redact.ts'
import { ApprovalMode, type Run } from './types.ts'

/** Those that Stint itself acts on; a preference of any other name is told to the agent. */
const ACTED_ON = {
  model: z
    .string()
    .min(1)
    .max(200)
    .refine((id) => !id.startsWith('scripted'), 'must be a model id, or auto'),
  approval: ApprovalMode,
  costUsd: z.number().positive().max(RUN_COST_USD_MAX),
}
const Told = z
  .string()
  .trim()
  .min(1)
  .max(PREFERENCE_CHARS_MAX)
  .regex(/^[^\p{Cc}]*$/u, 'must be one line')

export const PREFERENCE_NAME = /^[A-Za-z][\w .-]{0,63}$/

/** Why this is no value of that preference; undefined when it is one. `shared`: it is not one's own. */
export function refusedValue(name: string, value: unknown, shared: boolean): string | undefined {
  const schema = Object.hasOwn(ACTED_ON, name) ? ACTED_ON[name as keyof typeof ACTED_ON] : Told
  const read = schema.safeParse(value)
  if (!read.success) return read.error.issues.map(({ message }) => message).join('; ')
  if (shared && name === 'approval' && value === 'auto') return 'auto is nobody’s to choose for others'
  if (typeof value === 'string' && redact(value) !== value) return 'looks like it holds a secret'
  return undefined
}

export type Preferred = NonNullable<Run['preferences']>[number]

/** What holds for this person on this repo, by name. */
export function effective(all: Pick<Preference, 'scope' | 'name' | 'value'>[], whose: Whose): Preferred[] {
  const { by, repo } = whose
  const org = repo && orgOf(repo)
  const nearest: [string, Preferred['from']][] = [
    ...(repo ? [[ownScope(whose), 'you, for this repo'] as [string, Preferred['from']]] : []),
    [userScope(by), 'you'],
    ...(repo ? [[repoScope(repo), 'the repo'] as [string, Preferred['from']]] : []),
    ...(org ? [[`org:${org}`, 'the organisation'] as [string, Preferred['from']]] : []),
    ['all', 'everybody'],
  ]
  const found = new Map<string, Preferred>()
  for (const [scope, from] of nearest)
    for (const { scope: its, name, value } of all)
      if (its === scope && !found.has(name) && refusedValue(name, value, !scope.startsWith('user:')) === undefined)
        found.set(name, { name, value: value as string | number, from })
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** What a request leaves open, and the preference that says it. */
export function chosen(
  preferred: Preferred[],
  {
    model,
    approval,
    costUsd,
  }: { model?: string | undefined; approval?: ApprovalMode | undefined; costUsd?: number | undefined },
): { model: string | undefined; approval: ApprovalMode | undefined; costUsd: number | undefined; used: Preferred[] } {
  const asked = { model, approval, costUsd }
  const used = preferred.filter(
    ({ name }) => !Object.hasOwn(ACTED_ON, name) || asked[name as keyof typeof ACTED_ON] === undefined,
  )
  const of = (name: string): unknown => used.find((one) => one.name === name)?.value
  return {
    model: asked.model ?? (of('model') as string | undefined),
    approval: asked.approval ?? (of('approval') as ApprovalMode | undefined),
    costUsd: asked.costUsd ?? (of('costUsd') as number | undefined),
    used: used.slice(0, PREFERENCES_TOLD_MAX),
  }
}

/** Those that are for the agent, with whose they are; undefined: there are none. */
export function preferencesText(preferences: Run['preferences']): string | undefined {
  const told = (preferences ?? []).filter(({ name }) => !Object.hasOwn(ACTED_ON, name))
  if (told.length === 0) return undefined
  const whose = { you: 'the person', 'you, for this repo': 'the person, for this repo' } as Record<string, string>
  return `Preferences:\n${told.map(({ name, value, from }) => `- ${name}: ${value} (${whose[from] ?? from})`).join('\n')}`
}
