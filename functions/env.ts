/**
 * The environment, read once. What is wrong or half set stops the start with one clear line each; what is unset falls
 * back to the embedded default. Nothing else in the functions reads process.env.
 */
import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { RUN_COST_USD_MAX } from './core/limits.ts'
import { type PolicyRule, PolicyRules } from './core/rules.ts'

const url = z
  .url({ protocol: /^https?$/, error: 'is no http(s) address' })
  .refine((text) => !/^\w+:\/\/[^/]*@/.test(text), 'must not hold a name or password')
const positive = z.coerce.number({ error: 'is no number' }).positive('must be more than 0')
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean),
)

/** Rules that the server adds to policy: JSON, or a file that holds it. */
const policy = z.string().transform((text, context): PolicyRule[] => {
  try {
    const parsed = PolicyRules.safeParse(JSON.parse(/^\s*\{/.test(text) ? text : readFileSync(text, 'utf8')))
    if (parsed.success) return parsed.data.rules
    for (const { path, message } of parsed.error.issues)
      context.addIssue({ code: 'custom', message: `${path.join('.') || 'its JSON'}: ${message}` })
  } catch (error) {
    const why = error instanceof SyntaxError ? 'is no JSON' : 'names a file that cannot be read'
    context.addIssue({ code: 'custom', message: `${why}: {"rules": [{"command": "npm publish", "decision": "deny"}]}` })
  }
  return []
})
/** STINT_POLICY alone, for who judges a line and starts no server. */
export function readPolicy(source: Record<string, string | undefined> = process.env): PolicyRule[] {
  const text = source.STINT_POLICY ?? ''
  const parsed = text.trim() === '' ? undefined : policy.safeParse(text)
  if (parsed && !parsed.success)
    throw new InvalidEnvironment(parsed.error.issues.map(({ message }) => `STINT_POLICY ${message}`))
  return parsed?.data ?? []
}

const SCOPES = ['run', 'read', 'approve', 'admin']

/** `id:scopes:sha256`, scopes joined by `+`, as `stint keys create --offline` prints it. */
const apiKeys = list.transform((entries, context) => {
  const ids = entries.map((entry) => entry.split(':')[0])
  const twice = ids.find((id, i) => ids.indexOf(id) !== i)
  if (twice !== undefined) context.addIssue({ code: 'custom', message: `names the key ${twice} twice` })
  return entries.flatMap((entry) => {
    const [id, scopes, hash] = entry.split(':')
    const known = scopes?.split(/[+|]/) ?? []
    const unknown = known.find((scope) => !SCOPES.includes(scope))
    if (unknown !== undefined) {
      context.addIssue({ code: 'custom', message: `has the unknown scope ${unknown}; there are ${SCOPES.join(', ')}` })
      return []
    }
    if (id && known.length > 0 && /^[0-9a-f]{64}$/i.test(hash ?? ''))
      return [{ id, scopes: known, hash: (hash ?? '').toLowerCase() }]
    context.addIssue({ code: 'custom', message: `has an entry that is not id:scopes:sha256 (${entry.slice(0, 12)}…)` })
    return []
  })
})

function isPrivateKey(text: string): boolean {
  try {
    return createPrivateKey(text).asymmetricKeyType === 'rsa'
  } catch {
    return false
  }
}

const Schema = z.object({
  GROQ_API_KEY: z.string().optional(),
  GROQ_BASE_URL: url.transform((text) => text.replace(/\/openai\/v1\/?$/, '').replace(/\/$/, '')).optional(),
  STINT_MODEL_STRONG: z.string().optional(),
  STINT_MODEL_FAST: z.string().optional(),
  STINT_MODEL_FALLBACKS: list.optional(),
  STINT_MODEL_TIMEOUT_SECONDS: positive.max(600).optional(),
  STINT_MAX_COST_RUN_USD: positive.max(RUN_COST_USD_MAX).optional(),
  STINT_MAX_COST_SESSION_USD: positive.optional(),
  STINT_MAX_COST_DAY_USD: positive.optional(),
  STINT_API_KEY_HASHES: apiKeys.optional(),
  UPSTASH_REDIS_REST_URL: url.optional(),
  UPSTASH_REDIS_REST_TOKEN: z.string().optional(),
  REDIS_URL: z
    .string()
    .regex(/^rediss?:\/\/./, 'must begin with redis:// or rediss://')
    .optional(),
  STINT_REDIS_PREFIX: z.string().max(64).default('stint:'),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\/./, 'must begin with postgres://')
    .refine(URL.canParse, 'is no address like postgres://user:password@host:5432/database')
    .optional(),
  STINT_KEEP_SESSIONS_DAYS: positive.optional(),
  STINT_KEEP_AUDIT_DAYS: positive.optional(),
  STINT_LEARN: z.enum(['on', 'off'], { error: 'must be on or off' }).default('on'),
  CHROMA_URL: url.optional(),
  CHROMA_API_KEY: z.string().optional(),
  CHROMA_TENANT: z.string().optional(),
  CHROMA_DATABASE: z.string().optional(),
  EMBEDDINGS_URL: url.optional(),
  EMBEDDINGS_MODEL: z.string().max(200).optional(),
  EMBEDDINGS_API_KEY: z.string().optional(),
  SQS_QUEUE_URL: url.optional(),
  QSTASH_TOKEN: z.string().optional(),
  QSTASH_CURRENT_SIGNING_KEY: z.string().optional(),
  QSTASH_NEXT_SIGNING_KEY: z.string().optional(),
  QSTASH_URL: url.optional(),
  SANDBOX_FUNCTION: z.string().min(1).optional(),
  SANDBOX_URL: url.optional(),
  SANDBOX_TOKEN: z.string().min(32, 'must have 32 characters or more (openssl rand -hex 32)').optional(),
  CARRIER_FUNCTION: z.string().min(1).optional(),
  CARRIER_URL: url.optional(),
  STINT_RATE_PER_MINUTE: z.coerce
    .number({ error: 'is no number' })
    .int('must be whole')
    .positive('must be more than 0')
    .default(6000),
  STINT_WEBHOOK_SECRET: z.string().min(16, 'must have 16 characters or more').optional(),
  STINT_PUBLIC_URL: url.optional(),
  STINT_CORS_ORIGINS: list.pipe(z.array(url)).optional(),
  STINT_REPO_ROOTS: list
    .pipe(z.array(z.string().startsWith('/', 'must be absolute paths, separated by commas')))
    .optional(),
  STINT_REPO_HOSTS: list.default(['github.com', 'gitlab.com', 'bitbucket.org', 'codeberg.org']),
  GITHUB_TOKEN: z.string().optional(),
  GITHUB_APP_ID: z.string().optional(),
  // A shell or a compose file may hold the key on one line.
  GITHUB_APP_PRIVATE_KEY: z
    .string()
    .transform((text) => text.replaceAll('\\n', '\n'))
    .refine(isPrivateKey, 'is no private key in PEM')
    .optional(),
  GITHUB_API_URL: url.optional(),
  SNAPSHOT_BUCKET: z
    .string()
    .regex(
      /^(s3|gs):\/\/[a-z0-9][a-z0-9._-]{1,61}[a-z0-9](\/[\w.-]+)*\/?$/,
      'must be s3://bucket/prefix or gs://bucket/prefix',
    )
    .optional(),
  /** As every tool of Amazon reads them; for another store that speaks S3, its own keys and address. */
  AWS_ACCESS_KEY_ID: z.string().optional(),
  AWS_SECRET_ACCESS_KEY: z.string().optional(),
  AWS_SESSION_TOKEN: z.string().optional(),
  AWS_REGION: z.string().optional(),
  AWS_ENDPOINT_URL: url.optional(),
  AWS_ENDPOINT_URL_S3: url.optional(),
  AWS_ENDPOINT_URL_LAMBDA: url.optional(),
  STINT_ROLE: z.enum(['all', 'api', 'worker'], { error: 'must be all, api or worker' }).default('all'),
  STINT_ISOLATION: z.enum(['auto', 'none'], { error: 'must be auto or none' }).default('auto'),
  STINT_POLICY: policy.optional(),
  STINT_HOME: z.string().default(() => join(homedir(), '.stint')),
  PORT: z.coerce
    .number({ error: 'is no number' })
    .int('must be whole')
    .min(0, 'must be 0 to 65535')
    .max(65_535, 'must be 0 to 65535')
    .default(8787),
  HOST: z.string().default('127.0.0.1'),
  /** Set by Lambda itself, and by nobody else. */
  AWS_LAMBDA_FUNCTION_NAME: z.string().optional(),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
})
export type Env = z.infer<typeof Schema>

/** Settings that only mean something together. */
const HALVES: (keyof Env)[][] = [
  ['UPSTASH_REDIS_REST_URL', 'UPSTASH_REDIS_REST_TOKEN'],
  ['GITHUB_APP_ID', 'GITHUB_APP_PRIVATE_KEY'],
  ['SANDBOX_URL', 'SANDBOX_TOKEN'],
  ['QSTASH_TOKEN', 'QSTASH_CURRENT_SIGNING_KEY', 'QSTASH_NEXT_SIGNING_KEY'],
]
/** The first means nothing without the second, which may stand alone. */
const NEEDS: [keyof Env, keyof Env][] = [
  ['QSTASH_URL', 'QSTASH_TOKEN'],
  ['CARRIER_URL', 'SANDBOX_URL'],
  ['CARRIER_FUNCTION', 'SANDBOX_FUNCTION'],
  ['QSTASH_TOKEN', 'STINT_PUBLIC_URL'],
  ['EMBEDDINGS_URL', 'EMBEDDINGS_MODEL'],
  ['EMBEDDINGS_MODEL', 'EMBEDDINGS_URL'],
  ['EMBEDDINGS_API_KEY', 'EMBEDDINGS_URL'],
  ['CHROMA_TENANT', 'CHROMA_DATABASE'],
  ['CHROMA_DATABASE', 'CHROMA_TENANT'],
  ['SANDBOX_FUNCTION', 'SNAPSHOT_BUCKET'],
  ['SANDBOX_URL', 'SNAPSHOT_BUCKET'],
  ['SNAPSHOT_BUCKET', 'AWS_ACCESS_KEY_ID'],
  ['SQS_QUEUE_URL', 'AWS_ACCESS_KEY_ID'],
  ['SQS_QUEUE_URL', 'AWS_SECRET_ACCESS_KEY'],
  ['SANDBOX_FUNCTION', 'AWS_ACCESS_KEY_ID'],
  ['SANDBOX_FUNCTION', 'AWS_SECRET_ACCESS_KEY'],
  ['SNAPSHOT_BUCKET', 'AWS_SECRET_ACCESS_KEY'],
]

export class InvalidEnvironment extends Error {
  readonly lines: string[]
  constructor(lines: string[]) {
    super(lines.join('\n'))
    this.name = 'InvalidEnvironment'
    this.lines = lines
  }
}

/** @throws InvalidEnvironment with one line per wrong value; values themselves are never repeated. */
export function readEnv(source: Record<string, string | undefined> = process.env): Env {
  // An empty value is how a shell or a compose file says "unset".
  const set = Object.fromEntries(
    Object.entries(source).filter(([, value]) => value !== undefined && value.trim() !== ''),
  )
  const parsed = Schema.safeParse(set)
  if (!parsed.success)
    throw new InvalidEnvironment(parsed.error.issues.map((issue) => `${String(issue.path[0])} ${issue.message}`))
  const env = parsed.data
  if (env.REDIS_URL && env.UPSTASH_REDIS_REST_URL)
    throw new InvalidEnvironment(['REDIS_URL and UPSTASH_REDIS_REST_URL both name where runs are kept: unset one'])
  if (env.SQS_QUEUE_URL && env.QSTASH_TOKEN)
    throw new InvalidEnvironment(['SQS_QUEUE_URL and QSTASH_TOKEN both name how the next stint is woken: unset one'])
  if (env.SANDBOX_FUNCTION && env.SANDBOX_URL)
    throw new InvalidEnvironment(['SANDBOX_FUNCTION and SANDBOX_URL both name where commands run: unset one'])
  if (env.STINT_ROLE !== 'all' && !(env.REDIS_URL || env.SQS_QUEUE_URL || env.QSTASH_TOKEN))
    throw new InvalidEnvironment([
      `STINT_ROLE is ${env.STINT_ROLE}, but API and workers share no queue: set REDIS_URL, SQS_QUEUE_URL or QSTASH_TOKEN, or leave STINT_ROLE on all`,
    ])
  const half = HALVES.filter((names) => names.some((name) => env[name]) && !names.every((name) => env[name]))
  if (half.length > 0)
    throw new InvalidEnvironment(
      half.map((names) => {
        const missing = names.filter((name) => !env[name])
        return `${missing.join(' and ')} must be set too, because ${names.find((name) => env[name])} is`
      }),
    )
  if (env.STINT_KEEP_SESSIONS_DAYS && (env.REDIS_URL || env.UPSTASH_REDIS_REST_URL) && !env.DATABASE_URL)
    throw new InvalidEnvironment([
      'DATABASE_URL must be set too, because STINT_KEEP_SESSIONS_DAYS is and runs are in Redis',
    ])
  // Without an address it is Chroma Cloud, where a key alone tells nothing.
  if (env.CHROMA_API_KEY && !env.CHROMA_URL && !env.CHROMA_TENANT)
    throw new InvalidEnvironment(['CHROMA_TENANT and CHROMA_DATABASE must be set too, because CHROMA_API_KEY is'])
  if (env.CHROMA_TENANT && !env.CHROMA_URL && !env.CHROMA_API_KEY)
    throw new InvalidEnvironment(['CHROMA_API_KEY or CHROMA_URL must be set too, because CHROMA_TENANT is'])
  const lacking = NEEDS.filter(([name, needed]) => env[name] && !env[needed])
  if (lacking.length > 0)
    throw new InvalidEnvironment(lacking.map(([name, needed]) => `${needed} must be set too, because ${name} is`))
  if (!isLoopback(env.HOST) && !env.STINT_API_KEY_HASHES?.length)
    throw new InvalidEnvironment([
      `HOST is ${env.HOST}, which others can reach: set STINT_API_KEY_HASHES (made by "stint keys create --offline"), or leave HOST on 127.0.0.1`,
    ])
  return env
}

export const isLoopback = (host: string): boolean => /^(127(\.\d{1,3}){3}|localhost|::1|\[::1\])$/i.test(host)

/** Needs no key, because only this machine can ask: never a function of a cloud, whatever its HOST says. */
export const isKeyless = (env: Env): boolean =>
  isLoopback(env.HOST) && !env.STINT_API_KEY_HASHES?.length && env.AWS_LAMBDA_FUNCTION_NAME === undefined
