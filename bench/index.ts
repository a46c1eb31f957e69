/**
 * What the code index costs on a large repo, measured on one that is made for it from the files of other repos:
 *
 *     npm run bench:index -- [--from REPO,REPO,…] [--files N] [--keep FOLDER]
 *
 * Prints the time and memory of a first index, of an index after a commit of ten files, of queries warm, of a first query
 * of a new process on a stored index, and of exact search beside ripgrep. Where the repos have fewer files than asked
 * for they are taken again with some of their words exchanged, so that no content is there twice.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { blobsOf, treeOf } from '../sandbox-runner/indexing/objects.ts'
import { CodeRequests } from '../sandbox-runner/indexing/requests.ts'
import { codeSearchIn } from '../sandbox-runner/indexing/search-code.ts'
import { ripgrep } from '../sandbox-runner/search/search.ts'
import { optionsFor } from './commits.ts'

const { values } = parseArgs({
  options: {
    from: { type: 'string', default: '.' },
    files: { type: 'string', default: '20000' },
    keep: { type: 'string' },
    /** For itself: one query in a process of its own. */
    cold: { type: 'string' },
  },
})
const WAIT_MS = 600_000
const QUERIES = 100
const COLD_RUNS = 5
const EXACT_RUNS = 7
const ms = (number: number) => (number < 100 ? number.toFixed(1) : Math.round(number).toString())
const sorted = (row: number[]) => row.toSorted((a, b) => a - b)
const at = (row: number[], share: number) => sorted(row)[Math.min(row.length - 1, Math.floor(row.length * share))] ?? 0

const home = values.keep ?? mkdtempSync(join(tmpdir(), 'stint-bench-index-'))
const [top, folder] = [join(home, 'repo'), join(home, 'code')]
const git = (...args: string[]) => {
  const { status, stderr, stdout } = spawnSync('git', ['-C', top, ...args], { encoding: 'utf8', maxBuffer: 2 ** 28 })
  if (status !== 0) throw new Error(`git ${args[0]}: ${stderr}`)
  return stdout
}

/** Every twentieth word becomes another one of the same file, another in each round. */
function exchanged(text: string, round: number): string {
  const words = text.match(/[A-Za-z_]{4,}/g) ?? []
  let count = round
  return text.replace(/[A-Za-z_]{4,}/g, (word) =>
    ++count % 20 === 0 ? (words[(count * 7919) % words.length] ?? word) : word,
  )
}

async function makeRepo(wanted: number): Promise<void> {
  mkdirSync(top, { recursive: true })
  git('init', '-q')
  git('config', 'user.name', 'bench')
  git('config', 'user.email', 'bench@example.com')
  let made = 0
  for (let round = 0; made < wanted; round++) {
    const before = made
    for (const [number, path] of (values.from ?? '.').split(',').entries()) {
      const options = optionsFor(path)
      const tree = await treeOf(options, 'HEAD')
      const paths = [...tree.keys()]
      let place = 0
      for await (const { bytes } of blobsOf(options, [...tree.values()])) {
        const file = join(top, `part${round}`, `repo${number}`, paths[place++] ?? '')
        if (made >= wanted) break
        mkdirSync(dirname(file), { recursive: true })
        writeFileSync(file, round === 0 ? bytes : exchanged(bytes.toString(), round))
        made++
      }
    }
    if (made === before) throw new Error('there is no file to be indexed in these repos')
    git('add', '.')
    git('commit', '-qm', `Add part ${round} of the sources`)
  }
}

const place = { url: top }
const requests = new CodeRequests(folder)
const search = (query: string, mode: 'ranked' | 'exact' = 'ranked', limit = 10) =>
  requests.ofRepo(place, { query, limit, mode }, WAIT_MS)

async function timed<T>(work: () => Promise<T>): Promise<[ms: number, done: T]> {
  const began = performance.now()
  const done = await work()
  return [performance.now() - began, done]
}

/** What this process and its threads worked since; without git's and ripgrep's share. A busy machine changes it less. */
const cpuMs = (since: NodeJS.CpuUsage) => {
  const { user, system } = process.cpuUsage(since)
  return (user + system) / 1000
}

if (values.cold !== undefined) {
  const [took] = await timed(() => search(values.cold ?? ''))
  // Since the process began: starting it counts.
  process.stdout.write(JSON.stringify({ took, all: performance.now(), worked: cpuMs({ user: 0, system: 0 }) }))
  process.exit(0)
}

if (!existsSync(join(top, '.git'))) await makeRepo(Number(values.files))
rmSync(folder, { recursive: true, force: true })
const idle = process.memoryUsage().rss / 1e6
const cpu = process.cpuUsage()
const [first, indexed] = await timed(() => requests.ofRepo(place, undefined, WAIT_MS))
if (indexed.kind !== 'ready') throw new Error(JSON.stringify(indexed))
const firstCpu = cpuMs(cpu)
const peak = process.resourceUsage().maxRSS / 1000
const { files, chunks } = indexed.indexed
console.log(
  `first index: ${files} files, ${chunks} chunks in ${(first / 1000).toFixed(1)} s (${(firstCpu / 1000).toFixed(1)} s of work); at most ${peak.toFixed(0)} MB for the process (${idle.toFixed(0)} MB before)`,
)

const subjects = (values.from ?? '.')
  .split(',')
  .flatMap((path) =>
    (spawnSync('git', ['-C', path, 'log', '--no-merges', '--format=%s', '-n60'], { encoding: 'utf8' }).stdout ?? '')
      .split('\n')
      .filter(Boolean),
  )
const step = Math.max(1, Math.floor(subjects.length / QUERIES))
const queries = subjects.filter((_, place) => place % step === 0).slice(0, QUERIES)
await search('warm up')
const warm: number[] = []
for (const query of queries) warm.push((await timed(() => search(query)))[0])
console.log(`a query, warm: ${ms(at(warm, 0.5))} ms (median), ${ms(at(warm, 0.95))} ms (p95) of ${warm.length}`)

const listed = git('ls-files')
  .split('\n')
  .filter((path) => /\.(?:ts|js|py|go|rs|java|rb|c)$/.test(path))
for (let number = 0; number < 10; number++)
  writeFileSync(
    join(top, listed[number * 97] ?? 'new.ts'),
    `function changedBy${number}Again() { return ${Date.now()} }\n`,
  )
git('commit', '-qam', 'Change ten files')
const cpuAgain = process.cpuUsage()
const [again, after] = await timed(() => requests.ofRepo(place, undefined, WAIT_MS))
if (after.kind !== 'ready') throw new Error(JSON.stringify(after))
const worked = cpuMs(cpuAgain)
const [hit] = await timed(() => search('changedBy3Again'))
console.log(
  `index after a commit of ten files: ${ms(again)} ms (${ms(worked)} ms of work); what it wrote is found in ${ms(hit)} ms`,
)

const cold = Array.from({ length: COLD_RUNS }, (_, run) => {
  const args = [import.meta.filename, '--keep', home, '--cold', queries[run * 3] ?? 'parse configuration']
  return JSON.parse(spawnSync(process.execPath, args, { encoding: 'utf8' }).stdout) as {
    took: number
    all: number
    worked: number
  }
})
const most = (which: (run: (typeof cold)[number]) => number) => ms(Math.max(...cold.map(which)))
console.log(
  `a query, cold, index from storage: ${most(({ took }) => took)} ms at most; with the start of its process ${most(({ all }) => all)} ms (${most(({ worked }) => worked)} ms of work)`,
)

const program = ripgrep()
if (!program) console.log('exact search: not measured, there is no ripgrep here')
else {
  for (const text of ['function', 'changedBy3Again', 'Copyright (c)']) {
    const [mine, its]: [number[], number[]] = [[], []]
    for (let run = 0; run < EXACT_RUNS; run++) {
      mine.push((await timed(() => search(text, 'exact', 100)))[0])
      its.push(
        (await timed(async () => spawnSync(program, ['-nF', '--', text, '.'], { cwd: top, maxBuffer: 2 ** 30 })))[0],
      )
    }
    const [own, other] = [at(mine, 0.5), at(its, 0.5)]
    console.log(`exact search for "${text}": ${ms(own)} ms, ripgrep ${ms(other)} ms: ${(own / other).toFixed(2)} times`)
  }
}
await codeSearchIn(folder).close()
if (!values.keep) rmSync(home, { recursive: true, force: true })
