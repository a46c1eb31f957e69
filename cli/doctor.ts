/** `doctor`: is everything there, and what is missing, with how to set it. It never prints a secret. */
import { execFile } from 'node:child_process'
import { access, constants, mkdir } from 'node:fs/promises'
import { InvalidEnvironment } from '../functions/env.ts'
import type { Refusal } from './client.ts'
import { type Connection, connect } from './connect.ts'
import { dim, green, red, yellow } from './output.ts'
import { smoke } from './smoke.ts'
import { type Given, UsageError } from './usage.ts'

type Check = { name: string; state: 'ok' | 'missing' | 'failed'; detail: string; fix?: string }

export async function doctor({ values }: Given): Promise<number> {
  const checks = await allChecks(values)
  if (values.json) process.stdout.write(`${JSON.stringify(checks, undefined, 2)}\n`)
  else for (const check of checks) process.stdout.write(`${line(check)}\n`)
  return checks.some((check) => check.state === 'failed') ? 1 : 0
}

async function allChecks(values: Given['values']): Promise<Check[]> {
  let connection: Connection
  try {
    connection = await connect(values.server as string | undefined)
  } catch (error) {
    if (error instanceof UsageError) throw error
    // It cannot even begin: say so beside what can be said without it.
    const lines = error instanceof InvalidEnvironment ? error.lines : [(error as Error).message]
    return [
      ...(await machine()),
      ...lines.map(
        (detail): Check => ({
          name: 'start',
          state: 'failed',
          detail,
          fix: '.env.example tells what each setting takes',
        }),
      ),
    ]
  }
  try {
    return connection.env ? await local(connection) : await remote(connection, !values['no-run'])
  } finally {
    await connection.close()
  }
}

const machine = async (): Promise<Check[]> => [
  { name: 'node', state: 'ok', detail: process.version },
  await program('git', ['--version'], 'needed for every run: install git', 'failed'),
  await program('rg', ['--version'], 'optional: install ripgrep for faster search in large repositories', 'missing'),
]

async function local({ client, env }: Connection): Promise<Check[]> {
  const home = env?.STINT_HOME ?? ''
  const { checks } = await ready(client)
  const model = await modelCheck(client, env?.GROQ_API_KEY !== undefined || env?.GROQ_BASE_URL !== undefined, checks)
  return [
    ...(await machine()),
    await writable(home),
    state('store', checks.store),
    ...(checks.longTerm ? [state('long-term', checks.longTerm)] : []),
    state('sandbox', checks.sandbox),
    isolation(checks.isolation),
    model,
  ]
}

async function remote({ client }: Connection, tryRun: boolean): Promise<Check[]> {
  try {
    const { version } = await client.get<{ version: string }>('/health')
    const { checks } = await ready(client)
    const key = await client.get('/runs?limit=1').then(
      (): Check => ({ name: 'key', state: 'ok', detail: 'accepted' }),
      (error: Refusal): Check => ({
        name: 'key',
        state: 'failed',
        detail: error.message,
        fix: 'set STINT_API_KEY to a key of this server',
      }),
    )
    return [
      { name: 'server', state: 'ok', detail: `Stint ${version}` },
      key,
      ...Object.entries(checks).map(([name, check]) => state(name, check)),
      ...(tryRun && key.state === 'ok' ? [{ name: 'run', ...(await smoke(client)) }] : []),
    ]
  } catch (error) {
    return [
      {
        name: 'server',
        state: 'failed',
        detail: (error as Error).message,
        fix: 'check the address, and that the server runs',
      },
    ]
  }
}

type Ready = { checks: Record<string, { ok: boolean; detail: string }> }
/** /ready answers 503 with the same body when something is missing. */
async function ready(client: Connection['client']): Promise<Ready> {
  return client.any<Ready>('/ready')
}

async function modelCheck(client: Connection['client'], configured: boolean, checks: Ready['checks']): Promise<Check> {
  void client
  if (!configured)
    return {
      name: 'model',
      state: 'missing',
      detail: 'none: only the scripted model can be used',
      fix: 'set GROQ_API_KEY (a free key: console.groq.com/keys)',
    }
  const check = checks.model
  return check?.ok
    ? { name: 'model', state: 'ok', detail: check.detail }
    : {
        name: 'model',
        state: 'failed',
        detail: check?.detail ?? 'no answer',
        fix: 'check GROQ_API_KEY and GROQ_BASE_URL (without /openai/v1)',
      }
}

function isolation(check: { ok: boolean; detail: string } | undefined): Check {
  if (check && !check.detail.startsWith('none:')) return { name: 'isolation', state: 'ok', detail: check.detail }
  return {
    name: 'isolation',
    state: 'missing',
    detail: check?.detail ?? 'unknown: the sandbox does not answer',
    fix: 'commands run as you: under --approval ask those that do more than read wait for you',
  }
}

const state = (name: string, check: { ok: boolean; detail: string } | undefined): Check => ({
  name,
  state: check?.ok ? 'ok' : 'failed',
  detail: check?.detail ?? 'no answer',
})

function program(name: string, args: string[], fix: string, otherwise: Check['state']): Promise<Check> {
  return new Promise((resolve) => {
    execFile(name, args, (error, stdout) =>
      resolve(
        error
          ? { name, state: otherwise, detail: 'not found', fix }
          : { name, state: 'ok', detail: stdout.split('\n')[0] ?? '' },
      ),
    )
  })
}

async function writable(home: string): Promise<Check> {
  try {
    await mkdir(home, { recursive: true })
    await access(home, constants.W_OK)
    return { name: 'home', state: 'ok', detail: home }
  } catch (error) {
    return {
      name: 'home',
      state: 'failed',
      detail: (error as Error).message,
      fix: 'set STINT_HOME to a folder that can be written',
    }
  }
}

function line({ name, state: found, detail, fix }: Check): string {
  const mark = found === 'ok' ? green('✓') : found === 'missing' ? yellow('–') : red('✗')
  return `${mark} ${name.padEnd(10)} ${detail}${fix && found !== 'ok' ? `\n             ${dim(fix)}` : ''}`
}
