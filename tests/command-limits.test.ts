/** Commands that use too much: each ends at its limit with all it started, and the runner serves the next call. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Machine } from '../sandbox-runner/exec/shell.ts'
import type { CommandLimits } from '../sandbox-runner/exec/watch.ts'
import { HELD, isolationMissing } from './support/isolation.ts'
import { box, UNHELD } from './support/sandbox.ts'
import { until } from './support/world.ts'

const MB = 1024 * 1024

/** Processes of this machine that have this word in their arguments. */
const named = (word: string): string[] =>
  readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(word)
    } catch {
      return false
    }
  })

function limits(name: string, machine: Machine, skip: { skip?: string }): void {
  const limited = (t: TestContext, more: Partial<CommandLimits>) =>
    box(t, { a: 'a\n' }, { ...machine, limits: { ...machine.limits, ...more } })
  /** Runs it to its limit; then the next call is served as ever, and nothing of the first is left. */
  async function ends(t: TestContext, more: Partial<CommandLimits>, command: string, code: string) {
    const b = await limited(t, more)
    const word = `stintlimit${Math.random().toString(36).slice(2)}`
    const done = await b.run(command.replaceAll('WORD', word), { timeoutSec: 60 })
    assert.equal(done.error?.code, code, done.output.slice(-500))
    assert.deepEqual(named(word), [], 'nothing is left of it')
    assert.equal((await b.run('cat a; echo next')).output, 'a\nnext')
    return { b, done }
  }

  test(`${name}: a fork bomb`, skip, async (t) => {
    // It doubles five times a second: a faster one could take every process number of a loaded machine from other tests.
    await ends(
      t,
      { processes: 150 },
      'f() { bash -c "sleep 60; : WORD" & sleep 0.2; f & f & wait; }; f',
      'process_limit',
    )
  })

  test(`${name}: ten gigabytes of output`, skip, async (t) => {
    const { done } = await ends(t, {}, 'yes WORD | head -c 10G', 'output_limit')
    assert.ok(done.output.length < 64 * 1024)
  })

  test(`${name}: more disk than it may have, in many files or in one`, skip, async (t) => {
    const many = 'for n in $(seq 1000); do head -c 4M /dev/zero > f$n || exit; sleep 0.02; done; : WORD'
    const { b } = await ends(t, { diskBytes: 80 * MB }, many, 'disk_limit')
    assert.deepEqual(
      readdirSync(join(b.tree, '..')).filter((name) => name === 'tmp'),
      [],
      'what was temporary is gone',
    )
    const one = await limited(t, { diskBytes: 8 * MB })
    const { ok } = await one.run('head -c 100M /dev/zero > "$TMPDIR/big"')
    assert.equal(ok, false)
    assert.equal((await one.run('cat a')).output, 'a')
  })

  test(`${name}: more memory than it may have, in one process or in several`, skip, async (t) => {
    const hoard = `node -e "const a=[]; setInterval(() => a.push(Buffer.alloc(8*1024*1024, 1)), 20)" WORD`
    await ends(t, { memoryBytes: 400 * MB }, hoard, 'memory_limit')
    await ends(t, { memoryBytes: 400 * MB }, `${hoard} & ${hoard} & ${hoard} & wait`, 'memory_limit')
  })

  test(`${name}: more processor time than it may have`, skip, async (t) => {
    await ends(t, { cpuSeconds: 2 }, 'bash -c "while :; do :; done" WORD & while :; do :; done', 'cpu_limit')
  })

  test(`${name}: its time is up while it ignores signals`, skip, async (t) => {
    const b = await limited(t, {})
    const done = await b.run('trap "" TERM INT HUP; echo on; while :; do sleep 0.1; done', { timeoutSec: 1 })
    assert.equal(done.error?.code, 'timeout')
    assert.match(done.output, /^on/)
    assert.equal((await b.run('echo next')).output, 'next')
  })

  test(`${name}: daemons end with their command, however they left it`, skip, async (t) => {
    const b = await limited(t, {})
    const word = `stintdaemon${Math.random().toString(36).slice(2)}`
    const sleeper = `bash -c "while :; do sleep 0.2; done" ${word}`
    const ways = [
      `nohup ${sleeper} &`,
      `setsid ${sleeper} &`,
      `(setsid nohup ${sleeper} >/dev/null 2>&1 &)`,
      `env -i setsid ${sleeper} &`,
      `(trap "" HUP TERM; exec setsid ${sleeper}) & disown`,
    ]
    const done = await b.run(`${ways.join('\n')}\nsleep 0.3; echo started`)
    assert.match(done.output, /started$/)
    assert.deepEqual(named(word), [])
  })

  test(`${name}: a cancelled command ends at once with all of it`, skip, async (t) => {
    const b = await limited(t, {})
    const word = `stintcancel${Math.random().toString(36).slice(2)}`
    const call = { callId: `call_${word}`, tool: 'run_command', input: { command: `bash -c "sleep 60" ${word}; :` } }
    const running = b.perform([call])
    await until('the command to run', () => named(word).length > 0)
    await b.door.handle({ op: 'stop', callIds: [call.callId], fence: 1 })
    const reply = await running
    assert.equal(reply.ok && reply.results[0]?.error?.code, 'cancelled')
    assert.deepEqual(named(word), [])
  })
}

limits('held in', HELD, isolationMissing ? { skip: isolationMissing } : {})
limits('not held in', UNHELD, process.platform === 'linux' ? {} : { skip: 'what is not held in is watched on Linux' })
