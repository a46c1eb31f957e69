/**
 * What long-term memory keeps beside runs: small records that people and the agent make, change and remove. A scope
 * says whose a record is: nobody who is not in it is shown it. Times are epoch milliseconds.
 */
import { z } from 'zod'

/** `all`, or `user:…`, `user:… in …` (of a person within a repo), `org:…`, `repo:…`, `session:…`. */
export const Scope = z
  .string()
  .regex(/^(all|(user|org|repo|session):.+)$/s, 'must be all, user:…, org:…, repo:… or session:…')
export type Scope = z.infer<typeof Scope>

const common = {
  /** Unique within its kind; time-ordered ids list newest first. */
  id: z.string().min(1),
  scope: Scope,
  /** The session it comes from: removed with it. */
  sessionId: z.string().optional(),
  createdAt: z.number(),
  updatedAt: z.number(),
  /** From then on it is not there any more. */
  expiresAt: z.number().optional(),
}
const json = z.record(z.string(), z.unknown())

/** Something learnt that a later run is told as data. `fingerprint` names what a dead end was about. */
export const Fact = z.object({
  ...common,
  kind: z.enum(['convention', 'command', 'dead_end', 'preference', 'other']),
  text: z.string(),
  fingerprint: z.string().optional(),
  /** 0 to 1. */
  confidence: z.number(),
  runId: z.string().optional(),
  by: z.string().optional(),
  data: json.optional(),
})
export type Fact = z.infer<typeof Fact>

export const Preference = z.object({ ...common, name: z.string(), value: z.unknown() })
export type Preference = z.infer<typeof Preference>

/** A job that comes again. `nextAt` is when it is due; without it, it rests. */
export const Schedule = z.object({
  ...common,
  job: z.string(),
  cron: z.string().optional(),
  nextAt: z.number().optional(),
  data: json.optional(),
})
export type Schedule = z.infer<typeof Schedule>

/** The secret itself is kept nowhere; `hash` is its sha256 in hex. */
export const ApiKey = z.object({
  ...common,
  name: z.string(),
  scopes: z.array(z.string()),
  hash: z.string(),
  lastUsedAt: z.number().optional(),
  revokedAt: z.number().optional(),
})
export type ApiKey = z.infer<typeof ApiKey>

/** Who did what to what; never changed, removed only by age or with the session it is about. */
export const AuditEntry = z.object({
  ...common,
  who: z.string(),
  what: z.string(),
  target: z.string().optional(),
  data: json.optional(),
})
export type AuditEntry = z.infer<typeof AuditEntry>

/** A tool that people added: its schema is data of theirs, checked where it is used. */
export const CustomTool = z.object({ ...common, name: z.string(), description: z.string(), data: json })
export type CustomTool = z.infer<typeof CustomTool>
