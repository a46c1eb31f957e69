/** What every home of the sandbox-runner must do, asked as the engine asks and, where that is not enough, by its protocol. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { sandboxOver, type Transport } from '../../functions/adapters/sandbox-client.ts'
import type { Sandbox } from '../../functions/ports.ts'
import { type Layer, PerformReply, type Request, type Snapshot } from '../../sandbox-runner/protocol.ts'
import { good, nextCallId } from '../support/sandbox.ts'
import { makeRepo, until } from '../support/world.ts'

export type Home = {
  transport: Transport
  /** Kills the runner as it stands; the next request finds another one on the same disk, or on none. */
  kill(): Promise<void>
}
export type HomeOptions = {
  /** Work goes on between requests, so a call may be stopped by another request. */
  stops: boolean
  /** False: requests at the same time meet different disks, and the commit of the step decides. */
  oneDisk?: boolean
  skip?: string | undefined
}

/** Processes of this machine that have this word in their arguments. */
const named = (word: string): number =>
  readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(word)
    } catch {
      return false
    }
  }).length

let words = 0
/** In the arguments of a process and nowhere else. */
const newWord = (): string => `stintword${process.pid}x${++words}`

class Desk {
  readonly sandbox: Sandbox
  readonly transport: Transport
  readonly kept: Layer[] = []
  readonly at: { runId: string; workspaceId: string }
  start: Snapshot = { id: '', count: 0 }
  head: Snapshot = { id: '', count: 0 }
  fence = 1

  constructor({ transport }: Home) {
    this.transport = transport
    this.sandbox = sandboxOver(transport)
    this.at = { runId: `run_${newWord()}`, workspaceId: `wsp_${newWord()}` }
  }

  async prepare(repo: string): Promise<this> {
    const request = { ...this.at, fence: this.fence, layers: async () => [], signal: NEVER }
    const made = good(await this.sandbox.prepare({ ...request, repo: { url: repo } }))
    this.start = made.head
    this.head = made.head
    this.kept.push(...made.layers)
    return this
  }

  /** Performs one call; the head stays where it is until `move`. */
  async perform(command: string, { callId = nextCallId(), signal = NEVER, fence = this.fence, timeoutSec = 60 } = {}) {
    return this.sandbox.perform({
      ...this.at,
      fence,
      start: this.start,
      head: this.head,
      calls: [{ callId, tool: 'run_command', input: { command, timeoutSec } }],
      layers: async () => this.kept,
      signal,
    })
  }

  /** Performs a call and goes on from where it left the files. */
  async run(command: string, options: Parameters<Desk['perform']>[1] = {}) {
    const done = good(await this.perform(command, options))
    if (done.change) {
      this.head = done.change.head
      this.kept.push(done.change.layer)
    }
    const [result] = done.results
    assert.ok(result)
    return { ...result, change: done.change }
  }
}

const NEVER = new AbortController().signal

export function sandboxContract(name: string, make: (t: TestContext) => Promise<Home>, options: HomeOptions): void {
  const check = (what: string, body: (desk: Desk, home: Home) => Promise<void>, applies = true) => {
    if (!applies) return
    test(`${name}: ${what}`, options.skip ? { skip: options.skip } : {}, async (t) => {
      const home = await make(t)
      t.after(() => home.transport.close())
      await body(await new Desk(home).prepare(makeRepo(t, { 'a.txt': 'a\n' })), home)
    })
  }

  check('a small task: commands, a snapshot after each change, the diff of all', async (desk) => {
    assert.equal((await desk.run('cat a.txt')).output, 'a')
    const { change } = await desk.run('echo b >> a.txt; mkdir d; echo c > d/c')
    assert.deepEqual(change?.paths.sort(), ['a.txt', 'd/c'])
    assert.equal((await desk.run('cat d/c')).output, 'c')
    const { workspaceId } = desk.at
    const asked = { workspaceId, start: desk.start, head: desk.head, layers: async () => desk.kept }
    assert.match(good(await desk.sandbox.diff(asked)).diff, /^\+b$[\s\S]*^\+c$/m)
    assert.equal((await desk.sandbox.health()).ok, true)
    assert.match(await desk.sandbox.isolation(), /^(none|namespace|seatbelt|container|microvm)$/)
  })

  check('a call that is asked again is answered from what was stored, and done once', async (desk) => {
    const callId = nextCallId()
    const first = good(await desk.perform('echo x >> log; cat log; date +%N', { callId }))
    const again = good(await desk.perform('echo x >> log; cat log; date +%N', { callId }))
    assert.deepEqual(again, first)
    // Also the next lease gets it; the one before is refused.
    assert.deepEqual(good(await desk.perform('echo x >> log; cat log', { callId, fence: 2 })), first)
    const late = await desk.perform('echo late', { fence: 1 })
    assert.deepEqual(late.ok || late.code, 'fenced')
  })

  check('what is unfinished at the deadline of a request ends then, as a result with its snapshot', async (desk) => {
    const word = newWord()
    const callId = nextCallId()
    const input = { command: `echo before > f; bash -c 'sleep 100' ${word}; echo after > f`, timeoutSec: 90 }
    const request = {
      op: 'perform' as const,
      runId: desk.at.runId,
      workspace: { id: desk.at.workspaceId, fence: 1, start: desk.start, head: desk.head },
      calls: [{ callId, tool: 'run_command', input }],
    }
    const send = async (withinMs: number) =>
      good(PerformReply.parse(await desk.transport.send({ ...request, withinMs } as Request, { timeoutMs: 60_000 })))
    const reply = await send(4000)
    assert.equal(reply.results[0]?.error?.code, 'timeout')
    assert.deepEqual(reply.change?.paths, ['f'])
    assert.equal(named(word), 0)
    assert.deepEqual(await send(4000), reply, 'asked again, the same is answered')
  })

  check('a command that takes long is one call, however often it must be asked for', async (desk) => {
    const done = await desk.run('for n in 1 2 3 4 5 6; do echo $n >> log; sleep 0.4; done; cat log | tr "\\n" " "')
    assert.equal(done.output.trim(), '1 2 3 4 5 6')
    assert.deepEqual(done.change?.paths, ['log'])
  })

  check('a snapshot is taken only when the whole tree has ended', async (desk) => {
    const word = newWord()
    const writer = `bash -c 'n=0; while :; do n=$((n+1)); echo $n > count; sleep 0.01; done' ${word}`
    const { change } = await desk.run(`setsid nohup ${writer} >/dev/null 2>&1 & sleep 0.5; echo started`)
    assert.ok(change?.paths.includes('count'))
    assert.equal(named(word), 0)
    // Had it gone on to write, the files would differ from the snapshot.
    assert.equal((await desk.run('sleep 0.3; git status --short; true')).change, undefined)
  })

  check(
    'no other changing call of a workspace runs meanwhile',
    async (desk) => {
      const span = 'date +%s%N; sleep 0.7; date +%s%N; touch made'
      const both = await Promise.all([desk.perform(span), desk.perform(span)])
      const spans = both.map((reply) => (good(reply).results[0]?.output ?? '').split('\n').map(BigInt))
      const [[a, b], [c, d]] = spans as [bigint[], bigint[]]
      assert.ok(a !== undefined && b !== undefined && c !== undefined && d !== undefined)
      assert.ok(b <= c || d <= a, `they ran side by side: ${spans}`)
    },
    options.oneDisk !== false,
  )

  check(
    'a call is stopped, and all of it ends',
    async (desk) => {
      const word = newWord()
      const stop = new AbortController()
      const running = desk.perform(`bash -c 'sleep 100' ${word}; :`, { signal: stop.signal })
      await until('the command to run', () => named(word) > 0)
      stop.abort()
      assert.equal(good(await running).results[0]?.error?.code, 'cancelled')
      assert.equal(named(word), 0)
      assert.equal((await desk.run('echo next')).output, 'next')
    },
    options.stops,
  )

  check(
    'a runner that is killed in the middle of a call: asked again, it starts from the snapshot before',
    async (desk, home) => {
      await desk.run('echo one > log')
      const word = newWord()
      const callId = nextCallId()
      const command = `echo two >> log; bash -c 'sleep 1.5' ${word}; echo three >> log; cat log | tr "\\n" " "`
      const lost = desk.perform(command, { callId })
      await until('the command to run', () => named(word) > 0)
      await home.kill()
      const reply = await lost
      assert.ok(!reply.ok && reply.retry, JSON.stringify(reply))
      const done = await until('an answer', async () => {
        const again = await desk.perform(command, { callId, fence: 2 })
        return (again.ok || !again.retry) && good(again).results[0]
      })
      assert.equal(done.output.trim(), 'one two three')
    },
  )

  check('a workspace is restored where nothing is known of it, and forgotten when it is asked to be', async (desk) => {
    await desk.run('echo kept > k')
    await desk.sandbox.forget(desk.at.workspaceId)
    assert.equal((await desk.run('cat k')).output, 'kept')
  })
}
