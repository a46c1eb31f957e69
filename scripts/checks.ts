/** What a deployment needs of this machine and this account, asked before anything is made. Each lack says how to mend it. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { concurrencyOf, type Plan } from '../stacks/plan.ts'

export const ROOT = fileURLToPath(new URL('..', import.meta.url))
export type Check = { name: string; ok: boolean; detail: string; fix?: string }
export type Ran = { ok: boolean; out: string }

/** `out` is what it printed, or why it did not run. */
export function run(program: string, args: string[], env: Record<string, string> = {}): Ran {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    maxBuffer: 64 * 1024 * 1024,
  })
  const missing = (error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT'
  const said = missing ? `${program} is not installed` : (error?.message ?? (status === 0 ? stdout : stderr || stdout))
  return { ok: status === 0, out: said.trim() }
}

const lastLine = (text: string): string => text.split('\n').at(-1) ?? ''
const jsonOf = <T>({ ok, out }: Ran): T | undefined => {
  try {
    return ok ? (JSON.parse(out) as T) : undefined
  } catch {
    return undefined
  }
}

/** Secrets without which nothing starts; the others have defaults. The same as stacks/secrets.ts marks. */
export const NEEDED_SECRETS = ['UpstashRedisRestUrl', 'UpstashRedisRestToken', 'ApiKeyHashes']

export type Account = { account: string; region: string }

/** `image`: one that is there already, so that none is built. */
export function checksFor(plan: Plan, image: string | undefined): { checks: Check[]; account?: Account } {
  const checks: Check[] = []
  const add = (name: string, ok: boolean, detail: string, fix: string) => checks.push({ name, ok, detail, fix })

  const identity = run('aws', ['sts', 'get-caller-identity', '--output', 'json'])
  const account = jsonOf<{ Account?: string }>(identity)?.Account
  add(
    'account',
    account !== undefined,
    account ?? lastLine(identity.out),
    'install the AWS CLI and sign in ("aws configure sso" or "aws login"), then export AWS_PROFILE',
  )
  const region = process.env.AWS_REGION ?? 'us-east-1'
  if (account) {
    const settings = run('aws', ['lambda', 'get-account-settings', '--region', region, '--output', 'json'])
    const { AccountLimit } = jsonOf<{ AccountLimit?: { ConcurrentExecutions?: number } }>(settings) ?? {}
    const [has, needs] = [AccountLimit?.ConcurrentExecutions ?? 0, concurrencyOf(plan)]
    add(
      'concurrency',
      has >= needs,
      AccountLimit ? `${has} at once in ${region}; this stage needs ${needs}` : lastLine(settings.out),
      'ask for more in Service Quotas (Lambda, "Concurrent executions"), or lower `reserved` in stacks/plan.ts',
    )
    const listed = run('npm', ['run', '-s', 'sst', '--', 'secret', 'list', '--stage', plan.stage])
    const lacking = NEEDED_SECRETS.filter((name) => !new RegExp(`^\\s*${name}\\s*=\\s*\\S`, 'm').test(listed.out))
    add(
      'secrets',
      listed.ok && lacking.length === 0,
      listed.ok ? (lacking.length > 0 ? `missing: ${lacking.join(', ')}` : 'set') : lastLine(listed.out),
      lacking.map((name) => `npm run sst -- secret set ${name} VALUE --stage ${plan.stage}`).join('\n'),
    )
  }
  if (image) {
    const digest = /@sha256:[0-9a-f]{64}$/.test(image)
    add('image', digest, image, 'name it by its digest: …@sha256:…')
  } else {
    const dockerfile = existsSync(join(ROOT, 'sandbox-runner/Dockerfile'))
    add(
      'dockerfile',
      dockerfile,
      dockerfile ? 'sandbox-runner/Dockerfile' : 'sandbox-runner/Dockerfile is not there',
      'give an image of the sandbox-runner with --image URI@sha256:…',
    )
    const buildx = run('docker', ['buildx', 'version'])
    add(
      'docker',
      buildx.ok,
      lastLine(buildx.out),
      'install Docker with buildx, or give an image with --image URI@sha256:…',
    )
  }
  return account ? { checks, account: { account, region } } : { checks }
}
