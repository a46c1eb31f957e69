/**
 * Answers larger than an invocation lets through: kept compressed in a file, answered by a name and a number of parts,
 * and fetched part by part. Parts are of one environment; where another one is asked they are gone, and whoever asked
 * asks for the whole again. Only the last few are kept.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { z } from 'zod'
import { failure } from './faults.ts'
import { LAMBDA_PART_BYTES, LAMBDA_PAYLOAD_BYTES_MAX, LARGE_ANSWERS_KEPT } from './limits.ts'

export const PartRequest = z.object({
  op: z.literal('part'),
  id: z.string().regex(/^[0-9a-f]{64}$/),
  part: z.number().int().min(0),
})
export type PartRequest = z.infer<typeof PartRequest>

export class KeptAnswers {
  private readonly folder: string

  constructor(folder: string) {
    this.folder = folder
  }

  keepIfLarge(body: object): object {
    const text = JSON.stringify(body)
    if (Buffer.byteLength(text) <= LAMBDA_PAYLOAD_BYTES_MAX) return body
    const bytes = gzipSync(text)
    const id = createHash('sha256').update(bytes).digest('hex')
    mkdirSync(this.folder, { recursive: true, mode: 0o700 })
    writeFileSync(join(this.folder, id), bytes, { mode: 0o600 })
    this.dropOld()
    return { ok: true, state: 'parts', id, parts: Math.ceil(bytes.length / LAMBDA_PART_BYTES) }
  }

  part({ id, part }: PartRequest): object {
    try {
      const bytes = readFileSync(join(this.folder, id))
      const some = bytes.subarray(part * LAMBDA_PART_BYTES, (part + 1) * LAMBDA_PART_BYTES)
      return { ok: true, bytes: some.toString('base64') }
    } catch {
      return failure('part_gone', 'the answer is kept no longer', true)
    }
  }

  private dropOld(): void {
    const files = readdirSync(this.folder).map((name) => join(this.folder, name))
    const young = files.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)
    for (const file of young.slice(LARGE_ANSWERS_KEPT)) rmSync(file, { force: true })
  }
}
