/**
 * How well code search finds what a change will touch, measured on a repo's own history: the subject of a commit is the
 * query, the source files it changed are what must be found, and the tree and history searched are those before it.
 *
 *     npm run bench:search -- --repo PATH [--commits N] [--no-history] [--json]
 *
 * Prints recall@5, recall@10 and MRR@10 beside plain BM25 (file-level, split identifiers) and counting the query's words
 * as ripgrep would, each twice: over all source files a commit touched, and over those that are no tests. Then the times.
 */
import { parseArgs } from 'node:util'
import { isTest, languageOf } from '../sandbox-runner/code/languages.ts'
import { plainBm25, Ranking } from '../sandbox-runner/code/rank.ts'
import { casesOf, Moving, optionsFor, Pasts } from './commits.ts'
import { termCounts } from './term-counts.ts'

type Scores = { r5: number; r10: number; mrr: number; cases: number }

const { values } = parseArgs({
  options: {
    repo: { type: 'string' },
    commits: { type: 'string', default: '80' },
    'no-history': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const path = values.repo ?? '.'
const options = optionsFor(path)

const blank = (): Scores => ({ r5: 0, r10: 0, mrr: 0, cases: 0 })

function note(scores: Scores, found: readonly string[], truth: readonly string[]): void {
  if (truth.length === 0) return
  const ten = found.slice(0, 10)
  const first = ten.findIndex((file) => truth.includes(file))
  const share = (files: readonly string[]) => truth.filter((file) => files.includes(file)).length / truth.length
  scores.cases++
  scores.r5 += share(ten.slice(0, 5))
  scores.r10 += share(ten)
  scores.mrr += first < 0 ? 0 : 1 / (first + 1)
}

const ways = ['stint', 'BM25', 'term counting'] as const
const table = new Map(ways.map((way) => [way, { all: blank(), source: blank() }]))
const times: number[] = []
const moving = new Moving(options)
const pasts = new Pasts(options)
const rows: unknown[] = []
let files = 0
for (const { parent, subject, files: touched, id } of await casesOf(options, Number(values.commits))) {
  const index = await moving.at(parent)
  files = index.liveFiles
  const truth = touched.filter((file) => index.numberOf(file) !== undefined)
  if (truth.length === 0) continue
  const history = values['no-history'] ? undefined : await pasts.before(parent)
  const ranking = new Ranking(index, history)
  const began = performance.now()
  const found = ranking.search(subject, { limit: 10 })
  times.push(performance.now() - began)
  // The other two are only asked for code, which is to their good.
  const code = (file: string) => languageOf(file)?.code === true
  const answers = {
    stint: found.map((one) => one.path),
    BM25: plainBm25(index, subject, 200).filter(code),
    'term counting': termCounts(index, subject).filter(code),
  }
  for (const way of ways) {
    const scores = table.get(way)
    if (!scores) continue
    note(scores.all, answers[way], truth)
    note(
      scores.source,
      answers[way],
      truth.filter((file) => !isTest(file)),
    )
  }
  if (values.json) rows.push({ id, subject, truth, found: answers.stint })
}

const part = (scores: Scores, name: 'r5' | 'r10' | 'mrr') => (scores[name] / Math.max(1, scores.cases)).toFixed(3)
const sorted = times.sort((a, b) => a - b)
const at = (share: number) => (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(1)
if (values.json) process.stdout.write(`${JSON.stringify(rows)}\n`)
else {
  const count = table.get('stint')?.all.cases ?? 0
  console.log(`${path}: ${count} commits, ${files} files${values['no-history'] ? ', without history' : ''}`)
  console.log(`${''.padEnd(15)} all source files touched       those that are no tests`)
  console.log(`${''.padEnd(15)} ${'recall@5 recall@10 MRR@10     '.repeat(2)}`)
  for (const [way, { all, source }] of table) {
    const cells = [all, source].map((s) => `${part(s, 'r5')}    ${part(s, 'r10')}     ${part(s, 'mrr')}      `)
    console.log(`${way.padEnd(15)} ${cells.join('')}`)
  }
  console.log(
    `first index ${(moving.readMs / 1000).toFixed(1)} s; a query ${at(0.5)} ms (median), ${at(0.95)} ms (p95)`,
  )
}
