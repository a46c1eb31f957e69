/**
 * Rules that people add to policy. Each names a command by its first words, a tool, or a path that is written, and says
 * what becomes of it. A server's may make policy milder or stricter; a repo's only stricter.
 */
import { z } from 'zod'
import { POLICY_RULE_CHARS_MAX, POLICY_RULES_MAX } from './limits.ts'

const text = z
  .string()
  .min(1)
  .max(POLICY_RULE_CHARS_MAX)
  .refine((value) => value.trim() !== '', 'is empty')

export const PolicyRule = z
  .strictObject({
    /** `npm publish`: the program and words that follow it. */
    command: text.optional(),
    tool: text.optional(),
    /** A file, or a folder and all that is in it. */
    path: text.optional(),
    decision: z.enum(['allow', 'approve', 'deny'], { error: 'must be allow, approve or deny' }),
    reason: text.optional(),
  })
  .refine(
    ({ command, tool, path }) => [command, tool, path].filter((about) => about !== undefined).length === 1,
    'must name one of command, tool and path',
  )
export type PolicyRule = z.infer<typeof PolicyRule>

export const PolicyRules = z.strictObject({
  rules: z.array(PolicyRule).max(POLICY_RULES_MAX, `may hold ${POLICY_RULES_MAX} rules`),
})
