/**
 * Learns the weights of the ranking from the histories of some repos, and says what they are worth on others:
 *
 *     npm run bench:learn -- --train REPO,REPO,… --held REPO,REPO,… [--commits N] [--no-history] [--rows FOLDER]
 *
 * A listwise softmax over the candidates of each query (what a commit touched should lead), fitted by Adam and held near
 * the weights that are in use. Prints the weights, and recall@10 and MRR@10 before and after, for each repo. `--rows`
 * keeps the features of a repo for the next time; it must be emptied when a feature changes.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { deserialize, serialize } from 'node:v8'
import { FIRST } from '../sandbox-runner/code/features.ts'
import { SECOND } from '../sandbox-runner/code/neighbours.ts'
import { Ranking } from '../sandbox-runner/code/rank.ts'
import { WITH_HISTORY, WITHOUT_HISTORY } from '../sandbox-runner/code/weights.ts'
import { casesOf, Moving, optionsFor, Pasts } from './commits.ts'

/** Of one query: the features of each candidate, which of them were touched, and how many files were. */
type Asked = { rows: Float32Array; count: number; right: number[]; truth: number }

const { values } = parseArgs({
  options: {
    train: { type: 'string', default: '' },
    held: { type: 'string', default: '' },
    commits: { type: 'string', default: '78' },
    'no-history': { type: 'boolean', default: false },
    rows: { type: 'string' },
    rounds: { type: 'string', default: '300' },
    hold: { type: 'string', default: '0.002' },
  },
})
const NAMES = [...FIRST, ...SECOND]
const WIDTH = NAMES.length
const before = Float64Array.from(NAMES, (name) => (values['no-history'] ? WITHOUT_HISTORY : WITH_HISTORY)[name])

async function rowsOf(path: string): Promise<Asked[]> {
  const name = `${path.replace(/\W+/g, '_')}${values['no-history'] ? '.plain' : ''}.${values.commits}`
  const kept = values.rows && join(values.rows, name)
  if (kept && existsSync(kept)) return deserialize(readFileSync(kept)) as Asked[]
  const options = optionsFor(path)
  const [moving, pasts] = [new Moving(options), new Pasts(options)]
  const asked: Asked[] = []
  for (const { parent, subject, files } of await casesOf(options, Number(values.commits))) {
    const index = await moving.at(parent)
    const truth = new Set(files.filter((file) => index.numberOf(file) !== undefined))
    if (truth.size === 0) continue
    const ranking = new Ranking(index, values['no-history'] ? undefined : await pasts.before(parent))
    const found = ranking.rows(subject)
    const right = found.flatMap(({ path: file }, at) => (truth.has(file) ? [at] : []))
    const rows = Float32Array.from(found.flatMap((one) => one.values))
    asked.push({ rows, count: found.length, right, truth: truth.size })
  }
  if (kept) {
    mkdirSync(join(kept, '..'), { recursive: true })
    writeFileSync(kept, serialize(asked))
  }
  return asked
}

function scoresOf({ rows, count }: Asked, weights: Float64Array): Float64Array {
  const scores = new Float64Array(count)
  for (let at = 0; at < count; at++) {
    let sum = 0
    for (let place = 0; place < WIDTH; place++) sum += (weights[place] as number) * (rows[at * WIDTH + place] as number)
    scores[at] = sum
  }
  return scores
}

function worth(all: readonly Asked[], weights: Float64Array): { recall: number; mrr: number } {
  let [recall, mrr] = [0, 0]
  for (const asked of all) {
    const scores = scoresOf(asked, weights)
    const ten = [...scores.keys()].sort((a, b) => (scores[b] as number) - (scores[a] as number)).slice(0, 10)
    const right = new Set(asked.right)
    recall += ten.filter((at) => right.has(at)).length / asked.truth
    const first = ten.findIndex((at) => right.has(at))
    mrr += first < 0 ? 0 : 1 / (first + 1)
  }
  return { recall: recall / all.length, mrr: mrr / all.length }
}

/** How the log-likelihood of what was touched changes with each weight, summed over the queries; each counts the same. */
function slope(all: readonly Asked[], weights: Float64Array): Float64Array {
  const total = new Float64Array(WIDTH)
  for (const asked of all) {
    const { rows, count, right } = asked
    if (right.length === 0) continue
    const scores = scoresOf(asked, weights)
    const most = Math.max(...scores)
    let sum = 0
    for (let at = 0; at < count; at++) sum += scores[at] = Math.exp((scores[at] as number) - most)
    for (let at = 0; at < count; at++) {
      const share = (right.includes(at) ? 1 / right.length : 0) - (scores[at] as number) / sum
      if (Math.abs(share) < 1e-5) continue
      for (let place = 0; place < WIDTH; place++)
        total[place] = (total[place] as number) + share * (rows[at * WIDTH + place] as number)
    }
  }
  return total.map((one) => one / all.length)
}

function learn(all: readonly Asked[]): Float64Array {
  const weights = before.slice()
  const [mean, spread] = [new Float64Array(WIDTH), new Float64Array(WIDTH)]
  const hold = Number(values.hold)
  for (let round = 1; round <= Number(values.rounds); round++) {
    const rise = slope(all, weights)
    for (let at = 0; at < WIDTH; at++) {
      const step = (rise[at] as number) - hold * ((weights[at] as number) - (before[at] as number))
      mean[at] = 0.9 * (mean[at] as number) + 0.1 * step
      spread[at] = 0.99 * (spread[at] as number) + 0.01 * step * step
      const push =
        (mean[at] as number) / (1 - 0.9 ** round) / (Math.sqrt((spread[at] as number) / (1 - 0.99 ** round)) + 1e-8)
      weights[at] = (weights[at] as number) + 0.03 * push
    }
  }
  return weights
}

const list = (text: string) => text.split(',').filter(Boolean)
const train = new Map<string, Asked[]>()
for (const path of list(values.train)) train.set(path, await rowsOf(path))
const held = new Map<string, Asked[]>()
for (const path of list(values.held)) held.set(path, await rowsOf(path))
const after = learn([...train.values()].flat())
for (const [title, repos] of [
  ['train', train],
  ['held out', held],
] as const) {
  const sums = [0, 0, 0, 0]
  for (const [path, all] of repos) {
    const [old, now] = [worth(all, before), worth(all, after)]
    const numbers = [old.recall, old.mrr, now.recall, now.mrr]
    for (const [at, number] of numbers.entries()) sums[at] = (sums[at] as number) + number / repos.size
    const reach = all.reduce((sum, { right, truth }) => sum + right.length / truth, 0) / all.length
    console.log(`${title} ${path}: ${numbers.map((number) => number.toFixed(3)).join(' ')} of ${reach.toFixed(3)}`)
  }
  console.log(`${title}: recall@10 MRR@10 before, after: ${sums.map((sum) => sum.toFixed(4)).join(' ')}`)
}
console.log(NAMES.map((name, at) => `  ${name}: ${(after[at] as number).toFixed(2)},  // ${before[at]}`).join('\n'))
