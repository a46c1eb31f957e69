/** What follows the end of a run: telling whoever asked, then the archive; each as often as it takes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ARCHIVE_DELAYS_MS } from '../functions/core/limits.ts'
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
