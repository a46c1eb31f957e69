/** `search` and `index`: code by what it is about, without a run and without a model. */
import { resolve } from 'node:path'
import type { Client } from './client.ts'
import { connect } from './connect.ts'
import { bold, cyan, dim, oneLine, Screen, safe } from './output.ts'
import { type Given, UsageError } from './usage.ts'

type Result = {
  path: string
  startLine: number
  endLine: number
  symbol?: string
  snippet: string
  score: number
  why: string
}
type Indexing = { status: 'indexing'; done: number; total: number; links: { self: string } }
type Indexed = { commit?: string; files: number; chunks: number; ms: number; left?: number }

const SNIPPET_LINES_MAX = 5
const ASK_AGAIN_MS = 500

export async function search({ values, words }: Given): Promise<number> {
  const query = words.join(' ').trim()
  if (query === '') throw new UsageError('say what is looked for: stint search "where sessions expire"')
  if (values.exact && values.regex) throw new UsageError('--exact and --regex exclude each other')
  const mode = values.exact ? 'exact' : values.regex ? 'regex' : 'ranked'
  const limit = Number(values.limit ?? (mode === 'ranked' ? 10 : 100))
  if (!Number.isInteger(limit) || limit < 1 || limit > 100) throw new UsageError('--limit takes a number from 1 to 100')
  const body = {
    ...placeOf(values),
    ...{ query, mode, limit },
    ...(values.path ? { path: values.path } : {}),
    ...(values.language ? { language: values.language } : {}),
  }
  const { results } = await asked<{ results: Result[] }>(values, '/code/search', body)
  if (values.json)
    process.stdout.write(`${results.map((one) => JSON.stringify(one)).join('\n')}${results.length > 0 ? '\n' : ''}`)
  else if (results.length === 0) process.stdout.write('Nothing found.\n')
  else process.stdout.write(`${results.map(mode === 'ranked' ? shown : line).join('\n')}\n`)
  return 0
}

export async function index({ values }: Given): Promise<number> {
  const done = await asked<Indexed>(values, '/code/index', placeOf(values))
  if (values.json) process.stdout.write(`${JSON.stringify(done)}\n`)
  else {
    const at = done.commit ? ` at ${done.commit.slice(0, 10)}` : ''
    const left = done.left ? `; ${done.left} files are too many and are not searched` : ''
    process.stdout.write(`${done.files} files, ${done.chunks} pieces${at}, ${(done.ms / 1000).toFixed(1)} s${left}\n`)
  }
  return 0
}

function placeOf(values: Given['values']): object {
  const { session, repo, ref, server } = values
  if (session !== undefined) return { sessionId: session }
  if (repo === undefined && server !== undefined)
    throw new UsageError('with --server name what is searched: --repo or --session')
  const named = typeof repo === 'string' ? repo : '.'
  const url = /^(\w+:\/\/|[\w.-]+@[\w.-]+:)/.test(named) || server !== undefined ? named : resolve(named)
  return { repo: { url, ...(ref ? { ref } : {}) } }
}

/** Asks until the index is ready, and tells how far it is. */
async function asked<T extends object>(values: Given['values'], path: string, body: object): Promise<T> {
  const connection = await connect(values.server as string | undefined)
  const screen = new Screen()
  try {
    let answer = await connection.client.post<T | Indexing>(path, body)
    if (isIndexing(answer)) {
      let last: Indexing = answer
      screen.begin(() => `indexing: ${last.done} of ${last.total} files`)
      while (isIndexing(answer)) {
        last = answer
        await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS))
        answer = await again<T>(connection.client, path, body, last)
      }
    }
    return answer
  } finally {
    screen.end()
    await connection.close()
  }
}

async function again<T>(client: Client, path: string, body: object, { links }: Indexing): Promise<T | Indexing> {
  const index = await client.get<T | Indexing>(links.self)
  return isIndexing(index) ? index : await client.post<T | Indexing>(path, body)
}

const isIndexing = (answer: unknown): answer is Indexing => (answer as Partial<Indexing>).status === 'indexing'

function shown({ path, startLine, endLine, symbol, snippet, why }: Result): string {
  const head = `${bold(oneLine(path, 200))}:${startLine}-${endLine}${symbol ? ` ${cyan(oneLine(symbol))}` : ''}`
  const lines = safe(snippet).split('\n').slice(0, SNIPPET_LINES_MAX)
  return [head, dim(`  ${oneLine(why, 160)}`), ...lines.map((text) => `    ${codeLine(text)}`), ''].join('\n')
}

const line = ({ path, startLine, snippet }: Result): string =>
  `${bold(oneLine(path, 200))}:${startLine}:${codeLine(snippet)}`

/** A line of code: cut, its indentation kept. */
const codeLine = (text: string): string => safe(text).replaceAll('\t', '  ').slice(0, 160).trimEnd()
