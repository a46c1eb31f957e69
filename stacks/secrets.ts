/**
 * What must not be read by others, and which function gets it. Set with `npx sst secret set NAME --stage STAGE`; what has
 * a default may be left out. A function gets its secrets as the variables that .env.example names.
 */

/** name in SST: [variable, left out without harm] */
const SECRETS = {
  UpstashRedisRestUrl: ['UPSTASH_REDIS_REST_URL', false],
  UpstashRedisRestToken: ['UPSTASH_REDIS_REST_TOKEN', false],
  ApiKeyHashes: ['STINT_API_KEY_HASHES', false],
  GroqApiKey: ['GROQ_API_KEY', true],
  DatabaseUrl: ['DATABASE_URL', true],
  WebhookSecret: ['STINT_WEBHOOK_SECRET', true],
  GithubToken: ['GITHUB_TOKEN', true],
  GithubAppId: ['GITHUB_APP_ID', true],
  GithubAppPrivateKey: ['GITHUB_APP_PRIVATE_KEY', true],
} as const
export type SecretName = keyof typeof SECRETS

/** Whoever clones or pushes, or tells the carrier to. */
const GITHUB = ['GithubToken', 'GithubAppId', 'GithubAppPrivateKey'] as const
/** Whoever looks after runs needs what they are kept in. */
const STORE = ['UpstashRedisRestUrl', 'UpstashRedisRestToken', 'DatabaseUrl'] as const
/** Each function's own. The sandbox and the carrier are not here: they get none. */
export const SECRETS_OF = {
  api: [...STORE, 'ApiKeyHashes', 'GroqApiKey', 'WebhookSecret', ...GITHUB],
  worker: [...STORE, 'GroqApiKey', 'WebhookSecret', ...GITHUB],
  burial: STORE,
  timer: STORE,
} as const satisfies Record<string, readonly SecretName[]>

const made = new Map<SecretName, sst.Secret>()

/** The variables by which a function gets its secrets. */
export function secretsOf(who: keyof typeof SECRETS_OF): Record<string, $util.Output<string>> {
  return Object.fromEntries(
    SECRETS_OF[who].map((name: SecretName) => {
      const [variable, optional] = SECRETS[name]
      const secret = made.get(name) ?? (optional ? new sst.Secret(name, '') : new sst.Secret(name))
      made.set(name, secret)
      return [variable, secret.value]
    }),
  )
}
