/**
 * What a snapshot of a large workspace costs, beside three other ways to keep one: a git shadow index, tar with zstd, and
 * restic where it is installed. All in one run, on the same tree, taking turns; medians.
 *
 *     npm run bench:snapshots -- [--files 20000] [--rounds 9] [--snapshots 200] [--folder PATH]
 *
 * Exits 1 when a bound of the design does not hold. `--folder` is where the trees lie: a restore is bound by the file
 * system, so say which one it was.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { nothingHolds } from '../sandbox-runner/exec/isolation.ts'
import { commandLimits } from '../sandbox-runner/exec/watch.ts'
import { type Layer, PerformReply, PrepareReply, type Snapshot } from '../sandbox-runner/protocol.ts'
import { Runner } from '../sandbox-runner/runner.ts'
import { ObjectStore } from '../sandbox-runner/workspace/objects.ts'
import { Workspace } from '../sandbox-runner/workspace/workspace.ts'
import { makeTree } from './large-repo.ts'
import { gitShadow, type Rival, restic, tarZstd } from './rivals.ts'

/** Commands run bare: what is measured is what comes after them. */
const MACHINE = { isolation: nothingHolds('a bench'), limits: commandLimits() }

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    files: { type: 'string', default: '20000' },
    rounds: { type: 'string', default: '9' },
    snapshots: { type: 'string', default: '200' },
    folder: { type: 'string', default: tmpdir() },
  },
})
const ID = 'wsp_bench'
const EDIT_MS_MAX = 5
const COMMAND_MS_MAX = 130
const CHANGE_BYTES_MAX = 8 * 1024
const WARM_MS_MAX = 5
const RESTORE_RATIO_MAX = 1.3

/** What an empty instance is told, to make the workspace anew. */
type Told = { home: string; objects: string; head: Snapshot; layers: Layer[] }

async function main(files: number, rounds: number, snapshots: number): Promise<void> {
  const folder = mkdtempSync(join(values.folder, 'stint-bench-'))
  try {
    const repo = join(folder, 'repo')
    const names = makeTree(repo, files)
    const stint = new Stint(folder)
    const first = await timed(() => stint.prepare(repo))
    const rivals = [gitShadow(stint.tree, folder), tarZstd(stint.tree, folder)]
    if (spawnSync('restic', ['version']).error) process.stdout.write('restic is not installed: left out\n')
    else rivals.push(restic(stint.tree, folder))
    for (const rival of rivals) rival.snapshot()

    const taken = new Map<string, number[]>()
    const note = (what: string, ms: number) => taken.set(what, [...(taken.get(what) ?? []), ms])
    const name = (n: number) => names[(n * 37) % names.length] ?? ''
    for (let round = 0; round < rounds; round++) {
      const edit = await stint.edit(name(round), `edited ${round}`)
      note('edit', edit.snapshotMs)
      note('edit, whole call', edit.ms)
      note('edit bytes', edit.bytes)
      const text = `echo changed ${round} >> ${name(round + 1000)}`
      const bare = bareCommand(stint.tree, `true; ${text}`)
      const done = await stint.command(text)
      note('command', done.snapshotMs)
      note('command bytes', done.bytes)
      const nothing = await stint.command('true')
      note('command that changes nothing', nothing.snapshotMs)
      note('bare', bare)
      note('warm', done.ms - done.snapshotMs - bare)
      for (const rival of rivals) {
        const before = rival.bytes()
        const { ms } = await timed(async () => rival.snapshot())
        note(rival.name, ms)
        note(`${rival.name} bytes`, rival.bytes() - before)
      }
    }
    while (stint.head.count < snapshots) await stint.edit(name(stint.head.count), `number ${stint.head.count}`)
    for (const rival of rivals) rival.snapshot()
    for (let round = 0; round < Math.max(3, Math.ceil(rounds / 3)); round++) {
      note('restore', stint.restoreElsewhere(join(folder, `restored-${round}`)))
      for (const rival of rivals) {
        const to = join(folder, `rival-${round}`)
        mkdirSync(to)
        note(`${rival.name} restore`, (await timed(async () => rival.restore(to))).ms)
        rmSync(to, { recursive: true })
      }
    }
    report(taken, rivals, { files, snapshots: stint.head.count, firstMs: first.ms, folder: values.folder })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function report(
  taken: Map<string, number[]>,
  rivals: Rival[],
  about: { files: number; snapshots: number; firstMs: number; folder: string },
): void {
  const of = (what: string) => median(taken.get(what) ?? [])
  const line = (what: string, value: string, bound = '', ratios = '') =>
    process.stdout.write(`${what.padEnd(52)} ${value.padStart(10)}  ${bound.padEnd(14)} ${ratios}\n`)
  const times = (other: number, own: number) => `${(other / Math.max(own, 0.001)).toFixed(1)}x`
  const beside = (own: number, suffix = '') =>
    rivals
      .map((rival) => `${rival.name} ${of(rival.name + suffix).toFixed(0)} (${times(of(rival.name + suffix), own)})`)
      .join(' · ')
  let holds = true
  const bound = (value: number, max: number, unit: string) => {
    if (value > max) holds = false
    return `<= ${max} ${unit}${value > max ? ' MISSED' : ''}`
  }
  const ratio = of('restore') / of('tar+zstd restore')
  process.stdout.write(`${about.files} files, trees in ${about.folder}; medians (ms, or bytes stored)\n`)
  line('first snapshot, with the copy of the repo (ms)', about.firstMs.toFixed(0))
  line(
    'snapshot after an edit tool (ms)',
    of('edit').toFixed(2),
    bound(of('edit'), EDIT_MS_MAX, 'ms'),
    beside(of('edit')),
  )
  line('the whole call of the edit tool (ms)', of('edit, whole call').toFixed(2))
  line(
    'snapshot after a command (ms)',
    of('command').toFixed(1),
    bound(of('command'), COMMAND_MS_MAX, 'ms'),
    beside(of('command')),
  )
  line('the same after one that changed nothing (ms)', of('command that changes nothing').toFixed(1))
  line(
    'stored for a one-file change, edit tool (bytes)',
    of('edit bytes').toFixed(0),
    bound(of('edit bytes'), CHANGE_BYTES_MAX, 'B'),
    beside(of('edit bytes'), ' bytes'),
  )
  line(
    'stored for a one-file change, command (bytes)',
    of('command bytes').toFixed(0),
    bound(of('command bytes'), CHANGE_BYTES_MAX, 'B'),
  )
  line('the bare command (ms)', of('bare').toFixed(2))
  line('a warm call beyond it, without its snapshot (ms)', of('warm').toFixed(2), bound(of('warm'), WARM_MS_MAX, 'ms'))
  line(
    `restore on an empty instance, ${about.snapshots} snapshots (ms)`,
    of('restore').toFixed(0),
    '',
    beside(of('restore'), ' restore'),
  )
  line('  against untarring the same tree', ratio.toFixed(2), bound(ratio, RESTORE_RATIO_MAX, 'x'))
  if (!holds) process.exitCode = 1
}

// ---- Stint ---------------------------------------------------------------------------------------------------------

class Stint {
  readonly tree: string
  head: Snapshot = { id: '', count: 0 }
  private start: Snapshot = this.head
  private readonly layers: Layer[] = []
  private readonly runner: Runner
  private readonly objects: string
  private calls = 0

  constructor(folder: string) {
    const home = join(folder, 'home')
    this.objects = join(folder, 'objects')
    this.tree = join(home, ID, 'tree')
    this.runner = new Runner({ home, objects: this.objects, machine: MACHINE })
  }

  async prepare(url: string): Promise<void> {
    const reply = PrepareReply.parse(
      await this.runner.handle({ op: 'prepare', runId: 'run_1', workspace: { id: ID, fence: 1 }, repo: { url } }),
    )
    if (!reply.ok) throw new Error(reply.message)
    this.start = reply.head
    this.head = reply.head
    this.layers.push(...reply.layers)
  }

  edit(path: string, line: string) {
    return this.call('write_file', { path, content: `${readFileSync(join(this.tree, path), 'utf8')}// ${line}\n` })
  }

  command(command: string) {
    return this.call('run_command', { command })
  }

  private async call(tool: string, input: object): Promise<{ ms: number; snapshotMs: number; bytes: number }> {
    const calls = [{ callId: `call_${++this.calls}`, tool, input }]
    const workspace = { id: ID, fence: 1, start: this.start, head: this.head }
    snapshotMs = 0
    const { ms, value } = await timed(() => this.runner.handle({ op: 'perform', runId: 'run_1', workspace, calls }))
    const reply = PerformReply.parse(value)
    if (!reply.ok) throw new Error(reply.message)
    if (reply.change) {
      this.head = reply.change.head
      this.layers.push(reply.change.layer)
    }
    return { ms, snapshotMs, bytes: reply.change?.layer.bytes ?? 0 }
  }

  /** In a process of its own, as an instance that has never seen the workspace; its start is not counted. */
  restoreElsewhere(home: string): number {
    const told = `${home}.json`
    writeFileSync(
      told,
      JSON.stringify({ home, objects: this.objects, head: this.head, layers: this.layers } satisfies Told),
    )
    const self = fileURLToPath(import.meta.url)
    const ms = Number(execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', self, 'restore', told]))
    const differs = spawnSync('diff', ['-r', '--no-dereference', this.tree, join(home, ID, 'tree')], {
      encoding: 'utf8',
    })
    if (differs.status !== 0) throw new Error(`what was restored differs: ${differs.stdout.slice(0, 500)}`)
    rmSync(home, { recursive: true })
    return ms
  }
}

async function restoreHere(path: string): Promise<void> {
  const { home, objects, head, layers } = JSON.parse(readFileSync(path, 'utf8')) as Told
  const runner = new Runner({ home, objects, machine: MACHINE })
  const { ms, value } = await timed(() =>
    runner.handle({ op: 'prepare', runId: 'run_1', workspace: { id: ID, fence: 1 }, head, layers }),
  )
  const reply = PrepareReply.parse(value)
  if (!reply.ok) throw new Error(reply.message)
  process.stdout.write(ms.toFixed(1))
}

/** What of a call was its snapshot. */
let snapshotMs = 0
const { capture } = Workspace.prototype
Workspace.prototype.capture = function (paths) {
  const began = performance.now()
  const captured = capture.call(this, paths)
  snapshotMs += performance.now() - began
  return captured
}
const { keep } = ObjectStore.prototype
ObjectStore.prototype.keep = function (layer) {
  const began = performance.now()
  const kept = keep.call(this, layer)
  snapshotMs += performance.now() - began
  return kept
}

function bareCommand(cwd: string, command: string): number {
  const began = performance.now()
  spawnSync('bash', ['--noprofile', '--norc', '-c', command], { cwd, env: { PATH: process.env.PATH ?? '' } })
  return performance.now() - began
}

async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; value: T }> {
  const began = performance.now()
  const value = await work()
  return { ms: performance.now() - began, value }
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

if (positionals[0] === 'restore') await restoreHere(positionals[1] ?? '')
else await main(Number(values.files), Number(values.rounds), Number(values.snapshots))
