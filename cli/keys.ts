/** `keys create --offline`: a key that is shown once, and the line that lets a server know it by its hash. */
import { createHash, randomBytes } from 'node:crypto'
import { bold, dim } from './output.ts'
import { type Given, UsageError } from './usage.ts'

const SCOPES = ['run', 'read', 'approve', 'admin']

export async function createKey({ values, words: [verb] }: Given): Promise<number> {
  if (verb !== 'create' || !values.offline)
    throw new UsageError('keys are made offline for now: stint keys create --offline')
  const scopes = String(values.scopes ?? 'run,read,approve')
    .split(/[,+]/)
    .filter(Boolean)
  const unknown = scopes.find((scope) => !SCOPES.includes(scope))
  if (unknown) throw new UsageError(`there is no scope ${unknown}; there are ${SCOPES.join(', ')}`)
  const id = String(values.id ?? `key_${randomBytes(5).toString('hex')}`)
  if (!/^[\w-]{1,40}$/.test(id)) throw new UsageError('--id may have letters, digits, _ and -')
  const key = `sk_stint_${randomBytes(24).toString('base64url')}`
  const hash = createHash('sha256').update(key).digest('hex')
  process.stdout.write(
    [
      `${bold('key')}     ${key}`,
      dim('        shown this once; callers send it as "Authorization: Bearer …"'),
      `${bold('server')}  STINT_API_KEY_HASHES=${id}:${scopes.join('+')}:${hash}`,
      dim('        several keys are joined by commas'),
      '',
    ].join('\n'),
  )
  return 0
}
