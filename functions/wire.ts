/** The composition root: from the environment to the ports. The only file that names adapters. */
import { accessSync, constants, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { carried, carrierOver } from './adapters/carried.ts'
import { childRunner, childSandbox } from './adapters/child-sandbox.ts'
import { folderSnapshots } from './adapters/folder-snapshots.ts'
import { groqModel } from './adapters/groq.ts'
import { httpRunner } from './adapters/http-sandbox.ts'
import { lexicalEmbedder } from './adapters/lexical-embedder.ts'
import { localCache } from './adapters/local-cache.ts'
import { localFeed } from './adapters/local-feed.ts'
import { localQueue } from './adapters/local-queue.ts'
import { localRates } from './adapters/local-rates.ts'
import { nameOfHome } from './adapters/objects.ts'
import { type Page, pagesIn } from './adapters/pages.ts'
import { type Packing, sandboxOver, type Transport } from './adapters/sandbox-client.ts'
import { scriptedModel } from './adapters/scripted-model.ts'
import { sparingRates } from './adapters/sparing-rates.ts'
import { isNeon } from './adapters/sql/address.ts'
import { sqliteStore } from './adapters/sqlite-store.ts'
import { sqliteVectors } from './adapters/sqlite-vectors.ts'
import { mayLive, mayLiveSomewhere, systemClock, systemIds, thisProcess } from './adapters/system.ts'
import { webhooks } from './adapters/webhook.ts'
import type { SharedLimits } from './core/accounts.ts'
import { RUN_COST_USD_MAX, RUNS_AT_ONCE_MAX } from './core/limits.ts'
import { type Env, isKeyless } from './env.ts'
import { MemoryManager } from './memory/manager.ts'
import { ShortTermMemory } from './memory/short-term.ts'
import { FALLBACKS_DEFAULT, FAST_DEFAULT, isScripted, STRONG_DEFAULT } from './model/catalogue.ts'
import { complaints } from './model/offer.ts'
import type {
  Archive,
  Cache,
  Embedder,
  Forge,
  Ledger,
  LongTerm,
  Model,
  Ports,
  Queue,
  Rates,
  Sandbox,
  Snapshots,
  Store,
  Vectors,
  Wake,
  WorkQueue,
} from './ports.ts'
import type { Log } from './telemetry/log.ts'

export type WiredQueue = Queue & {
  /** How the next stint is woken, for people. */
  how: string
  /** Left out where wake-ups are not worked on in this process. */
  start?: WorkQueue['start']
  /** Of a queue that brings wake-ups over HTTP: why a request is not its own. */
  verify?(signature: string | undefined, path: string, body: string): string | undefined
  /** Of a queue that brings wake-ups to a function: lets one rest before it comes again. */
  postpone?(receipt: string, ms: number): Promise<void>
  stop(): Promise<void>
}

export type Wired = {
  ports: Ports
  queue: WiredQueue
  /** Where runs are kept, for people. */
  where: string
  /** What outlives the loop: opened when it is first asked for. */
  longTerm(): Promise<LongTerm>
  /** Where that is, for people; undefined: a file here, which needs no check. */
  longTermWhere?: string
  /** Real calls to what helps memory; only what is somewhere else. */
  memoryChecks: Record<string, { where: string; check(): Promise<unknown> }>
  /** False: another store of runs may name what this one does not, and nothing is removed for not being named. */
  sweeps(): Promise<boolean>
  modelConfigured: boolean
  page: (path: string) => Page | undefined
  close(): Promise<void>
}

/**
 * Opens everything that the environment names. Throws when the store cannot be opened. `alone`: wake-ups stay in this
 * process, for a terminal that advances only its own runs; it would take those of others from a shared queue.
 */
export async function wire(env: Env, log: Log, { alone = false } = {}): Promise<Wired> {
  const home = writableHome(env.STINT_HOME)
  const bucket = env.SNAPSHOT_BUCKET === undefined ? undefined : await openBucket(env, home, env.SNAPSHOT_BUCKET)
  const snapshots = bucket ?? folderSnapshots(join(home, 'objects'))
  // First: a child starts while the rest is opened here.
  const objects = bucket ? { lend: bucket.lend } : { objects: snapshots.where }
  const { commands, carrier } = await openRunners(env, home, objects)
  const forge = await openForge(env)
  const sandbox = carried(commands, carrier, forge, bucket?.lend)
  const { store: own, where, cache: shared, ledger: openLedger, rates } = await openStore(env, home, snapshots)
  const sweeps = () => snapshots.isOnlyUser(`${where} ${env.STINT_REDIS_PREFIX}`)
  const limits = sharedLimits(env)
  const ledger = Object.keys(limits).length > 0 ? await openLedger() : undefined
  const poorer = ({ message }: Error) => log('warn', 'short-term memory did not answer', { error: message })
  const shortTerm = new ShortTermMemory({ cache: shared ?? localCache(systemClock), poorer })
  let opened: Promise<LongTerm> | undefined
  const longTerm = () => {
    opened ??= openLongTerm(env, home)
    return opened
  }
  const words = lexicalEmbedder()
  const vectors = await openVectors(env, home)
  const embedder = await openEmbedder(env, words)
  const memory = new MemoryManager({
    ...{ shortTerm, longTerm, vectors, embedder, words, clock: systemClock },
    poorer: ({ message }) => log('warn', 'memory did not answer', { error: message }),
  })
  const archive = env.DATABASE_URL === undefined ? undefined : (await longTerm()).archive
  const store = archive ? await withArchive(own, archive, log, shared && shortTerm) : own
  const queue = await openQueue(env, log, alone)
  // What it told of is in the store by now, and its due time brings it back: nothing is undone for it.
  const lost = ({ message }: Error, wake: Wake) => log('error', 'a wake-up was not sent', { ...wake, error: message })
  const scripted = scriptedModel()
  const configured = env.GROQ_API_KEY !== undefined || env.GROQ_BASE_URL !== undefined
  const served = configured
    ? groqModel({ apiKey: env.GROQ_API_KEY ?? 'none', ...(env.GROQ_BASE_URL ? { baseUrl: env.GROQ_BASE_URL } : {}) })
    : NO_MODEL
  const models = {
    strong: env.STINT_MODEL_STRONG ?? STRONG_DEFAULT,
    // Another server has its own models: the one that is named there does for both.
    fast: env.STINT_MODEL_FAST ?? (env.GROQ_BASE_URL ? env.STINT_MODEL_STRONG : undefined) ?? FAST_DEFAULT,
    fallbacks: env.STINT_MODEL_FALLBACKS ?? FALLBACKS_DEFAULT,
  }
  const offer = readOffer(served, models, configured, log)
  const ports: Ports = {
    settings: {
      owner: thisProcess(),
      models,
      learns: env.STINT_LEARN === 'on',
      costUsdMax: env.STINT_MAX_COST_RUN_USD ?? RUN_COST_USD_MAX,
      modelTimeoutMs: env.STINT_MODEL_TIMEOUT_SECONDS && env.STINT_MODEL_TIMEOUT_SECONDS * 1000,
      ...(env.STINT_POLICY ? { rules: env.STINT_POLICY } : {}),
      shared: limits,
    },
    clock: systemClock,
    ids: systemIds,
    store,
    queue: { send: (wake, delayMs) => queue.send(wake, delayMs).catch((error: Error) => lost(error, wake)) },
    feed: localFeed(),
    model: {
      complete: (context, options) => (isScripted(context.model) ? scripted : served).complete(context, options),
      list: (signal) => served.list(signal),
    },
    offered: offer.ids,
    sandbox,
    snapshots,
    ...(forge ? { forge, carrier: carrierOver(commands, carrier, forge) } : {}),
    ...(archive ? { archive } : {}),
    memory,
    ...(ledger ? { ledger } : {}),
    rates: sparingRates(rates ?? localRates()),
    ...(env.STINT_WEBHOOK_SECRET
      ? {
          callbacks: webhooks({
            secret: env.STINT_WEBHOOK_SECRET,
            loopback: isKeyless(env),
          }),
        }
      : {}),
  }
  return {
    ports,
    queue,
    where,
    longTerm,
    ...(env.DATABASE_URL ? { longTermWhere: databaseOf(env.DATABASE_URL) } : {}),
    memoryChecks: {
      ...(env.CHROMA_URL || env.CHROMA_API_KEY
        ? {
            vectors: {
              where: `Chroma at ${new URL(env.CHROMA_URL ?? CHROMA_CLOUD).host}`,
              check: () => vectors.check(),
            },
          }
        : {}),
      ...(env.EMBEDDINGS_URL
        ? {
            embeddings: {
              where: `${env.EMBEDDINGS_MODEL} at ${new URL(env.EMBEDDINGS_URL).host}`,
              check: () => embedder.embed(['ready?']),
            },
          }
        : {}),
    },
    sweeps,
    modelConfigured: configured,
    page: pagesIn(new URL('../console/', import.meta.url)),
    async close() {
      offer.stop()
      await sandbox.close()
      await scripted.close()
      await memory.close()
      await ledger?.close()
      await store.close()
      await (await opened)?.close()
    },
  }
}

/** Asks the server for its list beside the start, which does not wait for it; one that does not answer is no error. */
function readOffer(served: Model, models: Ports['settings']['models'], configured: boolean, log: Log) {
  let ids: ReadonlySet<string> | undefined
  const stop = new AbortController()
  if (configured)
    void served.list(stop.signal).then((listed) => {
      if (!listed.ok) return
      ids = new Set(listed.ids)
      for (const line of complaints(models, ids)) log('warn', 'a model is not there', { detail: line })
    })
  return { ids: () => ids, stop: () => stop.abort() }
}

const sharedLimits = ({
  STINT_MAX_COST_SESSION_USD: sessionUsd,
  STINT_MAX_COST_DAY_USD: dayUsd,
}: Env): SharedLimits => ({
  ...(sessionUsd === undefined ? {} : { sessionUsd }),
  ...(dayUsd === undefined ? {} : { dayUsd }),
})

const entryOf = (name: string): string => fileURLToPath(new URL(`../sandbox-runner/${name}`, import.meta.url))

/** Where repos are kept. An App comes before a person's token, which may be there for other programs. */
async function openForge(env: Env): Promise<Forge | undefined> {
  const { GITHUB_APP_ID: appId, GITHUB_APP_PRIVATE_KEY: privateKey, GITHUB_TOKEN: token, GITHUB_API_URL: apiUrl } = env
  if (!(appId && privateKey) && !token) return undefined
  const { githubForge } = await import('./adapters/github.ts')
  return githubForge(appId && privateKey ? { apiUrl, appId, privateKey } : { apiUrl, token: token ?? '' })
}

type WiredStore = {
  store: Store
  where: string
  /** One that all processes share, beside the runs. */
  cache?: Cache
  ledger: () => Promise<Ledger>
  /** One that all processes share. */
  rates?: Rates
}

/** The keys that Lambda gives its functions, and others set. */
const awsOf = (env: Env) => ({
  accessKeyId: env.AWS_ACCESS_KEY_ID ?? '',
  secretAccessKey: env.AWS_SECRET_ACCESS_KEY ?? '',
  sessionToken: env.AWS_SESSION_TOKEN,
  region: env.AWS_REGION ?? 'us-east-1',
})

/** Where commands run, and what reaches the network for them. */
async function openRunners(
  env: Env,
  home: string,
  { objects, lend }: { objects?: string; lend?: Snapshots['lend'] },
): Promise<{ commands: Sandbox & Packing; carrier: Transport }> {
  const { SANDBOX_FUNCTION: name, SANDBOX_URL: url, SANDBOX_TOKEN: secret = '', STINT_ISOLATION: isolation } = env
  if (name !== undefined) {
    const { lambdaRunner } = await import('./adapters/lambda-sandbox.ts')
    const aws = { ...awsOf(env), endpoint: env.AWS_ENDPOINT_URL_LAMBDA }
    const carrier = env.CARRIER_FUNCTION
      ? lambdaRunner({ ...aws, name: env.CARRIER_FUNCTION, perTenant: false, to: 'carrier' })
      : lambdaRunner({ ...aws, name, perTenant: true, to: 'carrier' })
    return { commands: sandboxOver(lambdaRunner({ ...aws, name, perTenant: true }), { lend }), carrier }
  }
  if (url !== undefined) {
    const carrierUrl = env.CARRIER_URL ?? `${url.replace(/\/+$/, '')}/carrier`
    return {
      commands: sandboxOver(httpRunner({ url, secret }, systemClock), { lend }),
      carrier: httpRunner({ url: carrierUrl, secret }, systemClock),
    }
  }
  const workspaces = join(home, 'workspaces')
  return {
    commands: childSandbox({ entry: entryOf('server.ts'), home: workspaces, objects, isolation }, lend),
    carrier: childRunner({ entry: entryOf('carrier.ts'), home: join(home, 'carrier'), objects, lazily: true }),
  }
}

/** Where runs are kept. What Redis needs is loaded only where Redis is. */
async function openStore(env: Env, home: string, objects: Snapshots): Promise<WiredStore> {
  const { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token, REDIS_URL, STINT_REDIS_PREFIX: prefix } = env
  if (url === undefined && REDIS_URL === undefined)
    return {
      store: sqliteStore({ path: join(home, 'stint.db'), mayLive }),
      where: `one SQLite file in ${home}`,
      ledger: async () => (await import('./adapters/sqlite-ledger.ts')).sqliteLedger(join(home, 'stint.db')),
    }
  const [{ redisStore }, { redisRates }] = await Promise.all([
    import('./adapters/redis-store.ts'),
    import('./adapters/redis-rates.ts'),
  ])
  if (url !== undefined) {
    const { redisUpstash } = await import('./adapters/redis-upstash.ts')
    const { upstashCache } = await import('./adapters/upstash-cache.ts')
    const place = { url, token: token ?? '' }
    const transport = redisUpstash(place)
    return {
      ledger: async () => (await import('./adapters/redis-ledger.ts')).redisLedger(transport, prefix),
      rates: redisRates(transport, prefix),
      store: redisStore({ transport, objects, prefix }),
      where: `Upstash Redis at ${new URL(url).host}`,
      cache: upstashCache(place, prefix),
    }
  }
  const [{ redisTcp }, { redisCache }] = await Promise.all([
    import('./adapters/redis-tcp.ts'),
    import('./adapters/redis-cache.ts'),
  ])
  const transport = redisTcp(REDIS_URL ?? '')
  return {
    store: redisStore({ transport, objects, prefix, mayLive: mayLiveSomewhere }),
    where: `Redis at ${new URL(REDIS_URL ?? '').host}`,
    // The same connection, which the store closes.
    cache: { ...redisCache(transport, prefix), close: async () => {} },
    rates: redisRates(transport, prefix),
    ledger: async () => ({
      ...(await import('./adapters/redis-ledger.ts')).redisLedger(transport, prefix),
      close: async () => {},
    }),
  }
}

const sharesRuns = ({ REDIS_URL, UPSTASH_REDIS_REST_URL }: Env): boolean =>
  REDIS_URL !== undefined || UPSTASH_REDIS_REST_URL !== undefined

/** Where large layers and bodies are, when that is no folder here. */
async function openBucket(env: Env, home: string, address: string): Promise<Snapshots> {
  const { s3Snapshots } = await import('./adapters/s3-snapshots.ts')
  const { protocol, host: bucket, pathname } = new URL(address)
  const gcs = protocol === 'gs:'
  const endpoint =
    env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL ?? (gcs ? 'https://storage.googleapis.com' : undefined)
  return s3Snapshots({
    bucket,
    // Runs in a file are known to this home alone, and so is which of its objects are needed.
    prefix: [...pathname.split('/'), sharesRuns(env) ? '' : nameOfHome(home)].filter((part) => part !== '').join('/'),
    region: env.AWS_REGION ?? (gcs ? 'auto' : 'us-east-1'),
    dialect: gcs ? 'gcs' : 's3',
    endpoint,
    accessKeyId: env.AWS_ACCESS_KEY_ID ?? '',
    secretAccessKey: env.AWS_SECRET_ACCESS_KEY ?? '',
    sessionToken: env.AWS_SESSION_TOKEN,
  })
}

/** A vendor's library is loaded only where that vendor is named. */
async function openLongTerm({ DATABASE_URL: url }: Env, home: string): Promise<LongTerm> {
  if (url === undefined) {
    const { sqliteLongTerm } = await import('./adapters/sqlite-longterm.ts')
    return sqliteLongTerm(join(home, 'longterm.db'), systemClock)
  }
  if (isNeon(url)) return (await import('./adapters/neon.ts')).neon({ url }, systemClock)
  return (await import('./adapters/postgres.ts')).postgres(url, systemClock)
}

/** What is near what. */
async function openVectors(env: Env, home: string): Promise<Vectors> {
  const { CHROMA_URL, CHROMA_API_KEY: apiKey, CHROMA_TENANT: tenant, CHROMA_DATABASE: database } = env
  if (CHROMA_URL === undefined && apiKey === undefined) return sqliteVectors(join(home, 'vectors.db'), systemClock)
  const { chromaVectors } = await import('./adapters/chroma.ts')
  const place = { ...(apiKey ? { apiKey } : {}), ...(tenant && database ? { tenant, database } : {}) }
  return chromaVectors({ url: CHROMA_URL ?? CHROMA_CLOUD, ...place }, systemClock)
}

async function openEmbedder(env: Env, words: Embedder): Promise<Embedder> {
  const { EMBEDDINGS_URL: url, EMBEDDINGS_MODEL: model, EMBEDDINGS_API_KEY: apiKey } = env
  if (url === undefined || model === undefined) return words
  const { httpEmbedder } = await import('./adapters/http-embedder.ts')
  return httpEmbedder({ url, model, ...(apiKey ? { apiKey } : {}) }, systemClock)
}

const CHROMA_CLOUD = 'https://api.trychroma.com'
const databaseOf = (url: string): string => `${isNeon(url) ? 'Neon' : 'Postgres'} at ${new URL(url).host}`

async function withArchive(store: Store, archive: Archive, log: Log, hot?: ShortTermMemory): Promise<Store> {
  const { archivedStore } = await import('./memory/archived-store.ts')
  const poorer = ({ message }: Error) => log('warn', 'a list was made without the archive', { error: message })
  return archivedStore({ store, archive, clock: systemClock, poorer, ...(hot ? { hot } : {}) })
}

/** How the next stint is woken. A vendor's library is loaded only where that vendor is named. */
async function openQueue(env: Env, log: Log, alone: boolean): Promise<WiredQueue> {
  const onError = (error: unknown, wake?: Wake) => {
    const { message, stack } = error as Error
    log('error', 'a stint broke off', { runId: wake?.runId, error: message, stack })
  }
  const { SQS_QUEUE_URL, QSTASH_TOKEN: token, QSTASH_URL: url, STINT_PUBLIC_URL: publicUrl = '', REDIS_URL } = env
  if (SQS_QUEUE_URL !== undefined && !alone) {
    const { sqsQueue } = await import('./adapters/sqs-queue.ts')
    return { ...sqsQueue({ queueUrl: SQS_QUEUE_URL, ...awsOf(env) }), how: 'SQS, worked on by functions/worker.ts' }
  }
  if (token !== undefined && !alone) {
    const { qstashQueue } = await import('./adapters/qstash-queue.ts')
    const { QSTASH_CURRENT_SIGNING_KEY: currentKey = '', QSTASH_NEXT_SIGNING_KEY: nextKey = '' } = env
    return {
      ...qstashQueue({ token, url, publicUrl, currentKey, nextKey }, systemClock),
      how: `QStash, which comes back by ${publicUrl}`,
    }
  }
  const options = { atOnceMax: RUNS_AT_ONCE_MAX, onError }
  if (REDIS_URL !== undefined && !alone) {
    const { bullmqQueue } = await import('./adapters/bullmq-queue.ts')
    const queue = bullmqQueue({ ...options, url: REDIS_URL, prefix: env.STINT_REDIS_PREFIX }, systemClock)
    return { ...queue, how: 'a queue in Redis' }
  }
  return { ...localQueue(systemClock, options), how: 'in this process' }
}

/** @throws Error that names the variable when state cannot be kept there. */
function writableHome(home: string): string {
  try {
    mkdirSync(home, { recursive: true, mode: 0o700 })
    accessSync(home, constants.W_OK)
    return home
  } catch (error) {
    throw new Error(`STINT_HOME (${home}) cannot be written: ${(error as Error).message.split(',')[0]}`)
  }
}

const NOT_CONFIGURED = {
  ok: false as const,
  status: 401,
  code: 'model_not_configured',
  message: 'no model is configured: set GROQ_API_KEY',
}
const NO_MODEL: Model = { complete: async () => NOT_CONFIGURED, list: async () => NOT_CONFIGURED }
