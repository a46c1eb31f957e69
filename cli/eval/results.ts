/** What attempts came to: one JSON line each, appended when it is known, so that an evaluation that broke off goes on. */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { z } from 'zod'
import { UsageError } from '../usage.ts'

export const Row = z.object({
  task: z.string(),
  language: z.string().optional(),
  attempt: z.int(),
  model: z.string(),
  runId: z.string(),
  status: z.string(),
  stopReason: z.string().optional(),
  passed: z.boolean(),
  /** The end of what the check said. */
  check: z.string(),
  turns: z.int(),
  toolCalls: z.int(),
  toolErrors: z.int(),
  inputTokens: z.int(),
  cachedTokens: z.int(),
  outputTokens: z.int(),
  costUsd: z.number(),
  seconds: z.number(),
  diffLines: z.int(),
  at: z.string(),
})
export type Row = z.infer<typeof Row>

/** A last line that was cut off by a kill is not counted: its attempt is made again. */
export function readRows(file: string): Row[] {
  if (!existsSync(file)) return []
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => {
      try {
        const row = Row.safeParse(JSON.parse(line))
        return row.success ? [row.data] : []
      } catch {
        return []
      }
    })
}

export function addRow(file: string, row: Row): void {
  mkdirSync(dirname(file), { recursive: true })
  appendFileSync(file, `${JSON.stringify(row)}\n`)
}

/** Once, before rows are added: they must not go on in a line that a kill has cut off. */
export function endLine(file: string): void {
  if (existsSync(file) && !/(^|\n)$/.test(readFileSync(file, 'utf8'))) appendFileSync(file, '\n')
}

export function mustHaveRows(file: string, name: string): Row[] {
  const rows = readRows(file)
  if (rows.length === 0) throw new UsageError(`there is no evaluation named "${name}" (${file})`)
  return rows
}
