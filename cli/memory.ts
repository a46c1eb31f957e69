/** `memory`: what earlier runs learnt and later ones are told, to look at and to put right. */
import { resolve } from 'node:path'
import type { Client } from './client.ts'
import { connect } from './connect.ts'
import { bold, dim, oneLine } from './output.ts'
import { type Given, UsageError } from './usage.ts'

type Fact = {
  factId: string
  kind: string
  text: string
  scope: string
  repo?: string
  org?: string
  confidence: number
  by?: string
  source?: { runId: string }
  expiresAt?: string
}
type Page = { items: Fact[]; nextCursor?: string; poorer?: string }

export async function memory({ values, words }: Given): Promise<number> {
  const [what = 'list', ...rest] = words
  const connection = await connect(values.server as string | undefined)
  try {
    const { client } = connection
    if (what === 'list') return await list(client, values, rest.join(' '))
    if (what === 'add') return await add(client, values, rest.join(' '))
    const [id, ...text] = rest
    if (!id) throw new UsageError(`which one? "stint memory" lists them with their ids`)
    if (what === 'edit') return await edit(client, values, id, text.join(' '))
    if (what !== 'delete') throw new UsageError(`there is no "memory ${what}"; there are list, add, edit and delete`)
    await client.delete(`/memory/${encodeURIComponent(id)}`)
    return print(`Deleted; no later run is told of it.`)
  } finally {
    await connection.close()
  }
}

async function list(client: Client, values: Given['values'], query: string): Promise<number> {
  const filter = { ...(query ? { query } : {}), ...repoOf(values) }
  const found: Fact[] = []
  for (let cursor: string | undefined; ; ) {
    const page: Page = await client.get(
      `/memory?${new URLSearchParams({ limit: '200', ...filter, ...(cursor ? { cursor } : {}) })}`,
    )
    found.push(...page.items)
    if (page.poorer) process.stderr.write(`stint: ${page.poorer}\n`)
    cursor = page.nextCursor
    if (!cursor) break
  }
  if (values.json) return print(found.map((fact) => JSON.stringify(fact)).join('\n'))
  return print(found.length > 0 ? found.map(shown).join('\n') : 'Nothing is remembered yet.')
}

async function add(client: Client, values: Given['values'], text: string): Promise<number> {
  if (text === '') throw new UsageError('say what: stint memory add "the tests need REDIS_URL"')
  const fact = await client.post<Fact>('/memory', { text, ...kindOf(values), ...scopeOf(values), ...repoOf(values) })
  return print(values.json ? JSON.stringify(fact) : shown(fact))
}

async function edit(client: Client, values: Given['values'], id: string, text: string): Promise<number> {
  const change = { ...(text === '' ? {} : { text }), ...kindOf(values), ...scopeOf(values) }
  if (Object.keys(change).length === 0) throw new UsageError('say what changes: a new text, --kind or --scope')
  const fact = await client.patch<Fact>(`/memory/${encodeURIComponent(id)}`, change)
  return print(values.json ? JSON.stringify(fact) : shown(fact))
}

const kindOf = ({ kind }: Given['values']): object => (kind === undefined ? {} : { kind })
const scopeOf = ({ scope }: Given['values']): object => (scope === undefined ? {} : { scope })

function repoOf({ repo, server }: Given['values']): { repo?: string } {
  if (typeof repo !== 'string') return {}
  return { repo: /^(\w+:\/\/|[\w.-]+@[\w.-]+:)/.test(repo) || server !== undefined ? repo : resolve(repo) }
}

function shown({ factId, kind, text, scope, repo, org, confidence, by, source, expiresAt }: Fact): string {
  const whose = scope === 'user' ? 'yours' : `shared with ${scope === 'all' ? 'all' : `the ${scope}`}`
  const from = by ? `written by ${by}` : source ? `learnt in ${source.runId}` : 'learnt'
  const about = [kind, whose, repo ?? org, from, `${Math.round(confidence * 100)} % sure`]
  const end = expiresAt ? [`until ${expiresAt.slice(0, 10)}`] : []
  return `${bold(factId)}  ${oneLine(text, 500)}\n  ${dim(oneLine([...about, ...end].filter(Boolean).join(' · '), 300))}`
}

function print(text: string): number {
  if (text !== '') process.stdout.write(`${text}\n`)
  return 0
}
