/** What follows the end of a run: telling whoever asked, then the archive; each as often as it takes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ARCHIVE_DELAYS_MS, LEARN_DELAYS_MS } from '../functions/core/limits.ts'
import { step } from '../functions/core/step.ts'
import type { Outcome, Run } from '../functions/core/types.ts'
import { makeRun } from './contract/store.ts'

type Bare<T> = T extends unknown ? Omit<T, 'at' | 'workedMs' | 'inbox'> : never
const after = (run: Run, outcome: Bare<Outcome>, at = 9000): Run =>
  step(run, { ...outcome, at, workedMs: 10, inbox: [] } as Outcome).run

const working = (part: Partial<Run> = {}): Run =>
  makeRun({ status: 'running', action: { type: 'call_model' }, ...part })
const stuck = { type: 'no_progress' as const, detail: 'it dies' }
const told = { type: 'notified' as const, state: 'delivered' as const, again: false, detail: '' }
const archived = { type: 'archived' as const, ok: true, detail: '' }
const failed = { type: 'archived' as const, ok: false, detail: 'Postgres cannot be reached' }

test('the end asks for what is wanted: a callback, the archive, both in this order, or nothing', () => {
  const ends = (part: Partial<Run>) => after(working(part), stuck).action.type
  const callbackUrl = 'https://example.com/'
  assert.deepEqual(
    [{}, { callbackUrl }, { archive: 'wanted' as const }, { callbackUrl, archive: 'wanted' as const }].map(ends),
    ['stop', 'notify', 'archive', 'notify'],
  )
  const both = after(after(working({ callbackUrl, archive: 'wanted' }), stuck), told)
  assert.deepEqual([both.action.type, both.callback?.state, both.attempt], ['archive', 'delivered', 0])
  const end = after(both, archived)
  assert.deepEqual([end.action.type, end.archive, end.status, end.step], ['stop', 'done', 'failed', both.step + 1])
})

test('between both it is learnt from, where there was enough to learn from and nobody cancelled it', () => {
  const wanted = { learn: 'due' as const, archive: 'wanted' as const }
  const callbackUrl = 'https://example.com/'
  assert.equal(after(working(wanted), stuck).action.type, 'learn')
  for (const learn of ['wanted', 'tripped'] as const)
    assert.equal(after(working({ ...wanted, learn }), stuck).action.type, 'archive')
  assert.equal(after(working({ ...wanted, callbackUrl }), stuck).action.type, 'notify')
  assert.equal(after(after(working({ ...wanted, callbackUrl }), stuck), told).action.type, 'learn')
  const cancel = { type: 'cancel' as const, seq: 1, at: 1 }
  const cancelled = step(working(wanted), { type: 'woken', at: 1, workedMs: 0, inbox: [cancel] }).run
  assert.deepEqual([cancelled.status, cancelled.action.type], ['cancelled', 'archive'])
})

test('what could not be learnt is tried a few times and then done without; what it cost is counted once', () => {
  const start = after(working({ learn: 'due', archive: 'wanted' }), stuck)
  const usage = { inputTokens: 100, cachedTokens: 0, outputTokens: 10, costUsd: 0.25 }
  const lacking = { type: 'learned' as const, state: 'failed' as const, again: true, detail: '429', kept: 0, usage }
  let run = start
  for (const [tried, delay] of LEARN_DELAYS_MS.entries()) {
    run = after(run, lacking, 5000)
    assert.deepEqual(run.action, { type: 'learn', notBefore: 5000 + delay })
    assert.deepEqual([run.attempt, run.trouble?.code, run.usage.costUsd], [tried + 1, 'learning_failed', 0])
  }
  const without = after(run, lacking)
  assert.deepEqual([without.action.type, without.learn, without.attempt], ['archive', 'failed', 0])
  assert.deepEqual(without.usage, usage)
  const done = after(run, { ...lacking, state: 'done', again: false, kept: 2 })
  assert.deepEqual(
    [done.action.type, done.learn, done.usage.costUsd, done.trouble],
    ['archive', 'done', 0.25, undefined],
  )
  assert.deepEqual([after(start, stuck).learn, after(start, stuck).action.type], ['failed', 'archive'])
  assert.equal(after(start, archived), start)
})

test('an archive that cannot be reached is tried again, later each time, and never given up', () => {
  let run = after(working({ archive: 'wanted' }), stuck)
  for (let tries = 1; tries <= 40; tries++) {
    run = after(run, tries % 3 ? failed : stuck, 10_000 * tries)
    const delay = ARCHIVE_DELAYS_MS[tries - 1] ?? ARCHIVE_DELAYS_MS.at(-1) ?? 0
    assert.deepEqual(run.action, { type: 'archive', notBefore: 10_000 * tries + delay })
    assert.deepEqual([run.attempt, run.trouble?.code, run.archive], [tries, 'archive_failed', 'wanted'])
  }
  const end = after(run, archived)
  assert.deepEqual([end.action, end.attempt, end.trouble], [{ type: 'stop' }, 0, undefined])
})

test('the step that says a run is archived is the same whenever it comes: the archive holds it already', () => {
  const run = after(working({ archive: 'wanted' }), stuck)
  assert.deepEqual(after(run, archived, 1), after(run, archived, 99_999))
})

test('an outcome that belongs to something else changes nothing', () => {
  const run = after(working({ archive: 'wanted' }), stuck)
  assert.equal(after(run, told), run)
  const open = working()
  assert.equal(after(open, archived), open)
  const closed = after(run, archived)
  assert.equal(after(closed, archived), closed)
})
