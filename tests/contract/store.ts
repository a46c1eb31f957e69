/** What every Store must do, whatever it is made of. An adapter's test calls this with a way to make one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Event, Layer, Message, Run, Session } from '../../functions/core/types.ts'
import type { Commit, Post, Store } from '../../functions/ports.ts'

export type StoreMaker = (t: { after(done: () => unknown): void }) => Promise<{
  store: Store
  /** Another process's view of the same data. */
  again: () => Promise<Store>
  /** Owners that are known to be gone, where the store can tell. */
  dead?: Set<string>
}>

const NOTIFY = { type: 'notify' as const }
let serial = 0
export const makeRun = (part: Partial<Run> = {}): Run => ({
  runId: `run_${String(++serial).padStart(6, '0')}${Math.random().toString(36).slice(2, 8)}`,
  sessionId: `ses_${serial}`,
  kind: 'agent',
  task: 'a task',
  status: 'queued',
  step: 0,
  turns: 0,
  attempt: 0,
  rateWaits: 0,
  formatErrors: 0,
  checks: 0,
  action: { type: 'prepare' },
  pending: [],
  plan: [],
  usage: { inputTokens: 0, cachedTokens: 0, outputTokens: 0, costUsd: 0 },
  limits: { turns: 9, costUsd: 1, seconds: 60 },
  workedMs: 0,
  approval: 'ask',
  model: 'auto',
  remembered: [],
  workspaceId: `wsp_${serial}`,
  diffStat: { files: 0, additions: 0, deletions: 0 },
  inboxSeen: 0,
  eventSeq: 1,
  messageSeq: 0,
  createdAt: 1000,
  updatedAt: 1000,
  ...part,
})
export const sessionOf = (run: Run): Session => ({
  sessionId: run.sessionId,
  workspaceId: run.workspaceId,
  createdAt: 1000,
  updatedAt: 1000,
})
const event = (run: Run, seq: number, type: Event['type'] = 'run.started'): Event => ({
  seq,
  runId: run.runId,
  at: 1000,
  type,
  data: {},
})
const said = (content: string): Message => ({ role: 'user', content, from: 'person' })

/** Starts a run as admission does. */
export const begin = (store: Store, run: Run, idempotency?: { key: string; hash: string }, now = 1000) =>
  store.start({
    run,
    session: sessionOf(run),
    messages: [],
    events: [event(run, 1)],
    layers: [],
    now,
    ...(idempotency ? { idempotency } : {}),
  })

/** What a person sends, each time anew. */
export const post = (store: Store, entry: Omit<Post, 'id'>) => store.post({ id: `req_${++serial}`, ...entry })

/** The commit of one further step. */
export function next(
  run: Run,
  token: number,
  part: Partial<Commit> & { change?: Partial<Run> } = {},
): Commit & { run: Run } {
  const { change, ...rest } = part
  const messages = rest.messages ?? []
  const events = rest.events ?? []
  const made: Run = {
    ...run,
    status: 'running',
    step: run.step + 1,
    messageSeq: run.messageSeq + messages.length,
    eventSeq: run.eventSeq + events.length,
    ...(change?.stopReason ? { action: { type: 'stop' as const } } : {}),
    ...change,
  }
  return {
    runId: run.runId,
    id: `commit_${++serial}`,
    token,
    after: run.step,
    run: made,
    layers: [],
    remember: [],
    inboxRead: run.inboxSeen,
    keepMs: 5000,
    dueAt: 10_000,
    now: 1000,
    ...rest,
    messages,
    events,
  }
}

export function storeContract(name: string, make: StoreMaker, skip?: string): void {
  const check = (what: string, body: (made: Awaited<ReturnType<StoreMaker>>) => Promise<void>) =>
    test(`${name}: ${what}`, skip ? { skip } : {}, async (t) => body(await make(t)))

  /** A run that is claimed and has taken its first step. */
  async function claimed(store: Store, owner = 'me', part: Partial<Run> = {}) {
    const run = makeRun(part)
    await begin(store, run)
    const claim = await store.claim({ runId: run.runId, owner, leaseMs: 5000, now: 1000 })
    assert.ok(claim.ok)
    return { run: claim.run, token: claim.token }
  }

  check('a started run is there, with its session, messages and events', async ({ store, again }) => {
    const run = makeRun({ messageSeq: 1 })
    const reply = await store.start({
      run,
      session: sessionOf(run),
      messages: [said('hello')],
      events: [event(run, 1)],
      layers: [],
      now: 1000,
    })
    assert.deepEqual(reply, { ok: true, run, existed: false })
    const other = await again()
    assert.deepEqual(await other.run(run.runId), run)
    assert.deepEqual(await other.session(run.sessionId), sessionOf(run))
    assert.deepEqual(await other.messages(run.runId, 0), [said('hello')])
    assert.deepEqual(
      (await other.events(run.runId, 0)).map((found) => found.seq),
      [1],
    )
    assert.equal(await other.run('run_none'), undefined)
    assert.equal(await other.session('ses_none'), undefined)
  })

  check('one run per idempotency key: the same body gets it again, another body is refused', async ({ store }) => {
    const run = makeRun()
    await begin(store, run, { key: run.runId, hash: 'h1' })
    const twin = await begin(store, makeRun(), { key: run.runId, hash: 'h1' })
    assert.ok(twin.ok && twin.existed && twin.run.runId === run.runId)
    const other = await begin(store, makeRun(), { key: run.runId, hash: 'h2' })
    assert.deepEqual(other, { ok: false, code: 'idempotency_mismatch', runId: run.runId })
    const later = await begin(store, makeRun(), { key: run.runId, hash: 'h2' }, 1000 + 25 * 3600_000)
    assert.ok(later.ok && !later.existed, 'a key is free again after a day')
  })

  check('twenty twins at once make one run', async ({ store, again }) => {
    const key = makeRun().runId
    const other = await again()
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, i) => begin(i % 2 ? other : store, makeRun(), { key, hash: 'h' })),
    )
    assert.equal(new Set(replies.map((reply) => reply.ok && reply.run.runId)).size, 1)
    assert.equal(replies.filter((reply) => reply.ok && !reply.existed).length, 1)
  })

  check('a session has one run under way at a time', async ({ store }) => {
    const { run, token } = await claimed(store)
    const busy = await begin(store, makeRun({ sessionId: run.sessionId }))
    assert.deepEqual(busy, { ok: false, code: 'session_busy', runId: run.runId })
    const { dueAt: _, ...commit } = next(run, token, {
      change: { status: 'completed', stopReason: 'done', head: { id: 's2', count: 2 } },
      keepMs: 0,
    })
    assert.ok((await store.commit(commit)).ok)
    assert.deepEqual(
      (await store.session(run.sessionId))?.head,
      { id: 's2', count: 2 },
      'the session stands where its run left the workspace',
    )
    assert.ok((await begin(store, makeRun({ sessionId: run.sessionId, workspaceId: run.workspaceId }))).ok)
  })

  check('a run that goes on in a session begins where the session stands, or not at all', async ({ store }) => {
    const { run, token } = await claimed(store)
    const asRead = await store.session(run.sessionId)
    assert.ok(asRead)
    const goOn = (session: Session, part: Partial<Run> = {}) => {
      const made = makeRun({ sessionId: session.sessionId, workspaceId: run.workspaceId, ...part })
      return store.start({
        run: made,
        session,
        goesOn: true,
        messages: [],
        events: [event(made, 1)],
        layers: [],
        now: 1,
      })
    }
    const change = { status: 'completed' as const, action: { type: 'stop' as const }, head: { id: 's2', count: 2 } }
    const { dueAt: _, ...commit } = next(run, token, { change, keepMs: 0 })
    assert.ok((await store.commit(commit)).ok)
    assert.deepEqual(await goOn(asRead), { ok: false, code: 'session_moved' })
    const now = await store.session(run.sessionId)
    assert.ok(now)
    assert.deepEqual(await goOn(now, { runId: 'run_0' }), { ok: false, code: 'session_moved' }, 'an id from the past')
    assert.ok((await goOn(now)).ok)
    assert.deepEqual(
      await goOn({ ...now, sessionId: 'ses_none' }),
      { ok: false, code: 'session_not_found' },
      'it was removed meanwhile',
    )
  })

  check('a claim is exclusive until the lease runs out, and each has a higher token', async ({ store, again }) => {
    const { run, token } = await claimed(store)
    const other = await again()
    assert.deepEqual(await other.claim({ runId: run.runId, owner: 'you', leaseMs: 5000, now: 5999 }), {
      ok: false,
      why: 'busy',
      until: 6000,
    })
    const taken = await other.claim({ runId: run.runId, owner: 'you', leaseMs: 5000, now: 6000 })
    assert.ok(taken.ok && taken.token > token)
    assert.deepEqual(await store.commit(next(run, token)), { ok: false, why: 'fenced' })
    assert.equal(await store.renew({ runId: run.runId, token, leaseMs: 5000, now: 6001 }), undefined)
    assert.ok(await other.renew({ runId: run.runId, token: taken.token, leaseMs: 5000, now: 6001 }))
    assert.deepEqual(await store.claim({ runId: 'run_none', owner: 'me', leaseMs: 1, now: 1 }), {
      ok: false,
      why: 'gone',
    })
  })

  check('a lease that was given back is not renewed by whoever had it', async ({ store }) => {
    const { run, token } = await claimed(store)
    assert.ok((await store.commit(next(run, token, { keepMs: 0 }))).ok)
    assert.equal(await store.renew({ runId: run.runId, token, leaseMs: 5000, now: 1001 }), undefined)
    assert.ok((await store.claim({ runId: run.runId, owner: 'you', leaseMs: 5000, now: 1002 })).ok)
  })

  check('fifty claims at once: one wins', async ({ store, again }) => {
    const run = makeRun()
    await begin(store, run)
    const other = await again()
    const claims = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        (i % 2 ? other : store).claim({ runId: run.runId, owner: `o${i}`, leaseMs: 5000, now: 1000 }),
      ),
    )
    assert.equal(claims.filter((claim) => claim.ok).length, 1)
  })

  check(
    'a commit appends, moves the run on by one step, and brings it all back to the next claim',
    async ({ store, again }) => {
      const { run, token } = await claimed(store)
      const layer: Layer = { id: 'l1', snapshot: { id: 's1', count: 1 }, bytes: 3, inline: 'AAAA' }
      const one = next(run, token, {
        messages: [said('a'), said('b')],
        events: [event(run, 2), event(run, 3)],
        layers: [layer],
      })
      assert.deepEqual(await store.commit(one), { ok: true, inbox: [] })
      const two = next(one.run, token, { messages: [said('c')], keepMs: 0 })
      assert.ok((await store.commit(two)).ok)
      const claim = await (await again()).claim({ runId: run.runId, owner: 'you', leaseMs: 5000, now: 1001 })
      assert.ok(claim.ok)
      assert.deepEqual(claim.run, two.run)
      assert.deepEqual(
        claim.messages.map((message) => message.role === 'user' && message.content),
        ['a', 'b', 'c'],
      )
      assert.deepEqual(
        (await store.events(run.runId, 1)).map((found) => found.seq),
        [2, 3],
      )
      assert.deepEqual(
        (await store.events(run.runId, 0, 2)).map((found) => found.seq),
        [1, 2],
      )
      assert.deepEqual(
        (await store.messages(run.runId, 1, 1)).map((message) => message.role === 'user' && message.content),
        ['b'],
      )
      assert.deepEqual(await store.layers(run.workspaceId), [layer])
    },
  )

  check('a commit that follows another step than the stored one is dropped whole', async ({ store }) => {
    const { run, token } = await claimed(store)
    const one = next(run, token, { messages: [said('a')] })
    assert.ok((await store.commit(one)).ok)
    assert.deepEqual(await store.commit(next(run, token, { messages: [said('other')] })), { ok: false, why: 'stale' })
    assert.equal((await store.messages(run.runId, 0)).length, 1)
  })

  check('what is sent again because the answer got lost is answered, and not done twice', async ({ store, again }) => {
    const run = makeRun()
    const twice = async <T>(send: (to: Store) => Promise<T>): Promise<T> => {
      const first = await send(store)
      assert.deepEqual(await send(await again()), first)
      return first
    }
    assert.ok((await twice((to) => begin(to, run, { key: run.runId, hash: 'h' }))).ok)
    const claim = await store.claim({ runId: run.runId, owner: 'me', leaseMs: 5000, now: 1000 })
    assert.ok(claim.ok)
    const said1 = { runId: run.runId, id: 'req_x', entry: { type: 'message' as const, at: 1, text: 'hey' }, now: 1000 }
    await twice((to) => to.post(said1))
    const one = next(run, claim.token, { messages: [said('a')], events: [event(run, 2)] })
    const reply = await twice((to) => to.commit(one))
    assert.ok(reply.ok && reply.inbox.length === 1)
    assert.equal((await store.messages(run.runId, 0)).length, 1)
    assert.equal((await store.events(run.runId, 0)).length, 2)
    assert.ok((await store.commit(next(one.run, claim.token))).ok)
    assert.deepEqual(await store.commit(one), { ok: false, why: 'stale' }, 'not after a later one')
  })

  check('a wake-up for an earlier step is stale, one for a later step is from the future', async ({ store }) => {
    const { run, token } = await claimed(store)
    await store.commit(next(run, token, { keepMs: 0 }))
    const claim = (step: number) => store.claim({ runId: run.runId, owner: 'me', leaseMs: 5000, now: 1000, step })
    assert.deepEqual(await claim(0), { ok: false, why: 'stale' })
    assert.deepEqual(await claim(2), { ok: false, why: 'future' })
    assert.ok((await claim(1)).ok)
  })

  check('claims without a commit are counted', async ({ store }) => {
    const run = makeRun()
    await begin(store, run)
    for (let i = 1; i <= 3; i++) {
      const claim = await store.claim({ runId: run.runId, owner: `o${i}`, leaseMs: 10, now: 1000 * i })
      assert.ok(claim.ok)
      assert.equal(claim.claims, i)
      if (i === 3) await store.commit(next(run, claim.token, { keepMs: 0, now: 3000 }))
    }
    const claim = await store.claim({ runId: run.runId, owner: 'o', leaseMs: 10, now: 9000 })
    assert.ok(claim.ok && claim.claims === 1)
  })

  check('an effect outside is intended once, and its outcome is kept', async ({ store, again }) => {
    const { run, token } = await claimed(store)
    const effect = { runId: run.runId, token, effectId: 'push.1' }
    assert.deepEqual(await store.intend(effect), { begun: false })
    assert.deepEqual(await (await again()).intend(effect), { begun: true }, 'somebody may have done it')
    assert.deepEqual(await store.settle({ ...effect, outcome: { sha: 'abc' } }), { sha: 'abc' })
    assert.deepEqual(
      await store.settle({ ...effect, outcome: { sha: 'other' } }),
      { sha: 'abc' },
      'the first one stands',
    )
    assert.equal(await store.settle({ ...effect, effectId: 'never intended', outcome: 1 }), undefined)
    assert.deepEqual(await store.intend(effect), { begun: true, outcome: { sha: 'abc' } })
    assert.equal(
      await store.intend({ ...effect, token: token - 1, effectId: 'push.2' }),
      undefined,
      'the lease is lost',
    )
    assert.equal(await store.intend({ ...effect, runId: 'run_none' }), undefined)
  })

  check('a run that has ended is claimed as long as something is left to do for it', async ({ store }) => {
    const { run, token } = await claimed(store)
    const ended = next(run, token, {
      change: { status: 'completed', stopReason: 'done', action: { type: 'notify' } },
      keepMs: 0,
      dueAt: 3000,
    })
    assert.ok((await store.commit(ended)).ok)
    assert.ok((await begin(store, makeRun({ sessionId: run.sessionId }))).ok, 'its session is free already')
    const due = await store.due({ now: 3000, limit: 9 })
    assert.ok(due.some((wake) => wake.runId === run.runId && wake.step === 1))
    const claim = await store.claim({ runId: run.runId, owner: 'you', leaseMs: 10, now: 3000 })
    assert.ok(claim.ok)
    const { dueAt: _, ...closed } = next(ended.run, claim.token, {
      change: { status: 'completed', action: { type: 'stop' } },
      keepMs: 0,
      now: 3000,
    })
    assert.ok((await store.commit(closed)).ok)
    assert.ok(!(await store.claim({ runId: run.runId, owner: 'you', leaseMs: 10, now: 9000 })).ok)
  })

  check('what follows the end of a run leaves its session as a later run has left it', async ({ store }) => {
    const { run, token } = await claimed(store)
    const stands = (count: number) => ({ head: { id: `s${count}`, count } })
    const notify = { ...stands(2), status: 'completed' as const, stopReason: 'done' as const, action: NOTIFY }
    const ended = next(run, token, { change: notify, now: 2000 })
    assert.ok((await store.commit(ended)).ok)
    const { sessionId, workspaceId } = run
    const session = await store.session(sessionId)
    const later = makeRun({ sessionId, workspaceId })
    assert.ok((await begin(store, later)).ok)
    const claim = await store.claim({ runId: later.runId, owner: 'you', leaseMs: 5000, now: 3000 })
    assert.ok(claim.ok)
    assert.ok((await store.commit(next(claim.run, claim.token, { change: stands(3), now: 3000 }))).ok)
    const after = await store.session(sessionId)
    assert.deepEqual([session?.head?.count, after?.head?.count], [2, 3])
    const closed = next(ended.run, token, { change: { action: { type: 'stop' } }, keepMs: 0, now: 4000 })
    assert.ok((await store.commit({ ...closed, run: { ...closed.run, status: 'completed' } })).ok)
    assert.deepEqual(await store.session(sessionId), after)
  })

  check('a run named as due is left alone for a while', async ({ store, again }) => {
    const run = makeRun()
    await begin(store, run, undefined, 1000)
    const due = async (to: Store, now: number) => (await to.due({ now, limit: 9, againMs: 5000 })).length
    assert.equal(await due(store, 3000), 1)
    assert.equal(await due(await again(), 3001), 0, 'the second sweeper finds it taken care of')
    assert.equal(await due(store, 8000), 1)
  })

  check('a run that waits can be claimed when it was named as due', async ({ store }) => {
    const { run, token } = await claimed(store)
    const waitingFor = { kind: 'question' as const, callId: 'c', question: '?', choices: [], until: 2000 }
    const change = { status: 'waiting' as const, waitingFor }
    assert.ok((await store.commit(next(run, token, { change, keepMs: 0, dueAt: 2000 }))).ok)
    const claim = (now: number) => store.claim({ runId: run.runId, owner: 'you', leaseMs: 5000, now })
    assert.ok(!(await claim(1999)).ok)
    assert.equal((await store.due({ now: 2000, limit: 9, againMs: 5000 })).length, 1)
    assert.ok((await claim(2001)).ok)
  })

  check('marks tell where a run stood after each step', async ({ store, again }) => {
    const { run, token } = await claimed(store)
    const head = { id: 's2', count: 2 }
    await store.commit(next(run, token, { messages: [said('a'), said('b')], change: { head } }))
    assert.deepEqual(await (await again()).marks(run.runId), [
      { step: 0, messageSeq: 0 },
      { step: 1, messageSeq: 2, head },
    ])
  })

  check('it tells which objects nothing names', async ({ store }) => {
    if (!store.unnamed) return
    const run = makeRun()
    const layers: Layer[] = [{ id: 'named', snapshot: { id: 's1', count: 1 }, bytes: 200_000 }]
    await store.start({ run, session: sessionOf(run), messages: [], events: [event(run, 1)], layers, now: 1000 })
    assert.deepEqual(await store.unnamed(['other', 'named', 'third']), ['other', 'third'])
    assert.deepEqual(await store.unnamed([]), [])
  })
  check('a run may begin with the layers of another workspace', async ({ store }) => {
    const layers: Layer[] = [2, 1].map((count) => ({ id: `l${count}`, snapshot: { id: `s${count}`, count }, bytes: 1 }))
    const run = makeRun()
    await store.start({ run, session: sessionOf(run), messages: [], events: [event(run, 1)], layers, now: 1000 })
    assert.deepEqual(await store.layers(run.workspaceId), layers.toReversed())
  })

  check('the last word of feedback counts, also after the end', async ({ store, again }) => {
    const run = makeRun({ status: 'completed', stopReason: 'done', action: { type: 'stop' } })
    await begin(store, run)
    assert.equal(await store.feedback(run.runId), undefined)
    assert.equal(await store.rate(run.runId, { score: -1, at: 1 }), true)
    assert.equal(await store.rate(run.runId, { score: 1, comment: 'after all', at: 2 }), true)
    assert.deepEqual(await (await again()).feedback(run.runId), { score: 1, comment: 'after all', at: 2 })
    assert.equal(await store.rate('run_none', { score: 1, at: 2 }), false)
  })

  check('large bodies come back whole', async ({ store, again }) => {
    const { run, token } = await claimed(store)
    const text = 'wörd '.repeat(40_000)
    await store.commit(next(run, token, { messages: [said(text)], change: { task: text } }))
    const other = await again()
    assert.deepEqual(await other.messages(run.runId, 0), [said(text)])
    assert.equal((await other.run(run.runId))?.task, text)
    const claim = await other.claim({ runId: run.runId, owner: 'you', leaseMs: 1, now: 9_000_000 })
    assert.ok(claim.ok && claim.run.task === text)
    assert.deepEqual(claim.messages, [said(text)])
  })

  check('what people say comes with the next commit, renewal and claim until it was read', async ({ store }) => {
    const { run, token } = await claimed(store)
    const posted = await post(store, { runId: run.runId, entry: { type: 'message', at: 1, text: 'hey' }, now: 1001 })
    assert.deepEqual(posted, { ok: true, seq: 1, wake: false, step: 0 })
    assert.deepEqual(
      (await store.renew({ runId: run.runId, token, leaseMs: 5000, now: 1002 }))?.map((entry) => entry.seq),
      [1],
    )
    const one = next(run, token)
    const reply = await store.commit(one)
    assert.deepEqual(reply.ok && reply.inbox, [{ type: 'message', seq: 1, at: 1, text: 'hey' }])
    const two = next(one.run, token, { change: { inboxSeen: 1 }, inboxRead: 1 })
    assert.deepEqual(await store.commit(two), { ok: true, inbox: [] })
    assert.deepEqual(await store.renew({ runId: run.runId, token, leaseMs: 5000, now: 1003 }), [])
  })

  check('a run does not end over what somebody just said', async ({ store }) => {
    const { run, token } = await claimed(store)
    await post(store, { runId: run.runId, entry: { type: 'message', at: 1, text: 'wait' }, now: 1001 })
    const { dueAt: _, ...ending } = next(run, token, {
      change: { status: 'completed', stopReason: 'done' },
      messages: [said('x')],
      keepMs: 0,
    })
    const refused = await store.commit(ending)
    assert.ok(!refused.ok && refused.why === 'unread' && refused.inbox.length === 1)
    assert.equal((await store.messages(run.runId, 0)).length, 0, 'nothing was written')
    assert.ok((await store.commit({ ...ending, inboxRead: 1 })).ok)
    assert.deepEqual(
      await post(store, { runId: run.runId, entry: { type: 'message', at: 1, text: 'late' }, now: 1002 }),
      { ok: false, why: 'ended' },
    )
    assert.deepEqual(await store.claim({ runId: run.runId, owner: 'me', leaseMs: 1, now: 9999 }), {
      ok: false,
      why: 'ended',
    })
  })

  const approval = {
    kind: 'approval' as const,
    callId: 'call_1',
    tool: 't',
    preview: '{}',
    reason: 'r',
    hash: 'h',
    until: 90_000,
  }
  const decision = (approved: boolean, callId = 'call_1') => ({
    type: 'decision' as const,
    at: 1,
    decision: { callId, approved, remember: 'call' as const },
  })

  check(
    'a decision reaches the run that waits for it, once; two clicks agree, a third hears who was first',
    async ({ store }) => {
      const { run, token } = await claimed(store)
      assert.deepEqual(await post(store, { runId: run.runId, entry: decision(true), now: 1000 }), {
        ok: false,
        why: 'not_waiting',
      })
      const waiting = next(run, token, {
        change: { status: 'waiting', waitingFor: approval, action: { type: 'wait' } },
        keepMs: 0,
        dueAt: 90_000,
      })
      assert.ok((await store.commit(waiting)).ok)
      assert.deepEqual(await store.claim({ runId: run.runId, owner: 'me', leaseMs: 1, now: 2000 }), {
        ok: false,
        why: 'waiting',
        until: 90_000,
      })
      assert.deepEqual(await post(store, { runId: run.runId, entry: decision(true, 'call_2'), now: 2000 }), {
        ok: false,
        why: 'not_waiting',
      })
      const chatter = await post(store, { runId: run.runId, entry: { type: 'message', at: 1, text: 'hm' }, now: 2000 })
      assert.ok(chatter.ok && !chatter.wake, 'a word alone does not answer an approval')
      const clicked = await post(store, { runId: run.runId, entry: decision(true), now: 2001 })
      assert.ok(clicked.ok && clicked.wake)
      assert.deepEqual(await post(store, { runId: run.runId, entry: decision(false), now: 2002 }), {
        ok: false,
        why: 'decided',
        approved: true,
      })
      assert.deepEqual(await store.due({ now: 2001, limit: 9 }), [{ runId: run.runId, step: 1 }])
      const claim = await store.claim({ runId: run.runId, owner: 'me', leaseMs: 5000, now: 2002 })
      assert.ok(claim.ok)
      assert.deepEqual(
        claim.inbox.map((entry) => entry.type),
        ['message', 'decision'],
      )
    },
  )

  check('a question is answered by a message, and a cancel reaches everything', async ({ store }) => {
    const { run, token } = await claimed(store)
    const question = { kind: 'question' as const, callId: 'c', question: '?', choices: [], until: 90_000 }
    await store.commit(
      next(run, token, {
        change: { status: 'waiting', waitingFor: question, action: { type: 'wait' } },
        keepMs: 0,
        dueAt: 90_000,
      }),
    )
    const answered = await post(store, { runId: run.runId, entry: { type: 'message', at: 1, text: 'yes' }, now: 2000 })
    assert.ok(answered.ok && answered.wake)
    const other = await claimed(store)
    const cancelled = await post(store, { runId: other.run.runId, entry: { type: 'cancel', at: 1 }, now: 2000 })
    assert.ok(cancelled.ok && cancelled.wake)
    assert.deepEqual(
      (await store.renew({ runId: other.run.runId, token: other.token, leaseMs: 5000, now: 2001 }))?.map(
        (entry) => entry.type,
      ),
      ['cancel'],
    )
  })

  check('an answer that came before the wait makes the run due at once', async ({ store }) => {
    const { run, token } = await claimed(store)
    await post(store, { runId: run.runId, entry: { type: 'message', at: 1, text: 'early' }, now: 1001 })
    const question = { kind: 'question' as const, callId: 'c', question: '?', choices: [], until: 90_000 }
    const reply = await store.commit(
      next(run, token, {
        change: { status: 'waiting', waitingFor: question, action: { type: 'wait' } },
        keepMs: 0,
        dueAt: 90_000,
        now: 1002,
      }),
    )
    assert.ok(reply.ok && reply.inbox.length === 1)
    assert.deepEqual(await store.due({ now: 1002, limit: 9 }), [{ runId: run.runId, step: 1 }])
  })

  check('whoever is woken by an answer may be behind in time', async ({ store }) => {
    const question = { kind: 'question' as const, callId: 'c', question: '?', choices: [], until: 90_000 }
    const change = { status: 'waiting' as const, waitingFor: question, action: { type: 'wait' as const } }
    const claim = (runId: string) => store.claim({ runId, owner: 'you', leaseMs: 5000, now: 1500 })
    const { run, token } = await claimed(store)
    await store.commit(next(run, token, { change, keepMs: 0, dueAt: 90_000 }))
    await post(store, { runId: run.runId, entry: { type: 'message', at: 1, text: 'yes' }, now: 6000 })
    assert.ok((await claim(run.runId)).ok)
    const early = await claimed(store)
    await post(store, { runId: early.run.runId, entry: { type: 'message', at: 1, text: 'early' }, now: 1001 })
    await store.commit(next(early.run, early.token, { change, keepMs: 0, dueAt: 90_000, now: 6000 }))
    assert.ok((await claim(early.run.runId)).ok)
  })

  check(
    'due names what somebody must look at: new, late and handed-over runs, waits that are over, oldest first',
    async ({ store }) => {
      const fresh = makeRun()
      await begin(store, fresh, undefined, 1000)
      assert.deepEqual(await store.due({ now: 1500, limit: 9 }), [], 'whoever admitted a run has a moment to begin')
      assert.deepEqual(
        (await store.due({ now: 2000, limit: 9 })).map((wake) => wake.runId),
        [fresh.runId],
      )
      const { run, token } = await claimed(store)
      await store.commit(next(run, token, { keepMs: 0, dueAt: 1500 }))
      const all = await store.due({ now: 60_000, limit: 9 })
      assert.deepEqual(
        all.map((wake) => wake.runId),
        [run.runId, fresh.runId],
      )
      assert.equal((await store.due({ now: 60_000, limit: 1 })).length, 1)
    },
  )

  check('runs are listed newest first, by session and status, page by page', async ({ store }) => {
    const made: Run[] = []
    for (let i = 0; i < 5; i++) {
      const run = makeRun(
        i > 2 ? { sessionId: 'ses_shared', status: 'completed', stopReason: 'done', action: { type: 'stop' } } : {},
      )
      await begin(store, run)
      made.unshift(run)
    }
    const ids = new Set(made.map((run) => run.runId))
    const seen: string[] = []
    for (let cursor: string | undefined; ; ) {
      const page = await store.runs({ limit: 2, ...(cursor ? { cursor } : {}) })
      seen.push(...page.items.map((run) => run.runId))
      cursor = page.nextCursor
      if (!cursor) break
    }
    assert.deepEqual(
      seen.filter((id) => ids.has(id)),
      made.map((run) => run.runId),
    )
    assert.equal((await store.runs({ sessionId: 'ses_shared', limit: 9 })).items.length, 2)
    assert.ok((await store.runs({ status: 'completed', limit: 9 })).items.every((run) => run.status === 'completed'))
  })

  check('a session is removed whole, and not while a run is under way', async ({ store, again }) => {
    const { run, token } = await claimed(store)
    assert.deepEqual(await store.deleteSession(run.sessionId), { ok: false, why: 'busy' })
    const layer: Layer = { id: `own-${run.runId}`, snapshot: { id: 's1', count: 1 }, bytes: 3, inline: 'AAAA' }
    const { dueAt: _, ...end } = next(run, token, {
      change: { status: 'cancelled', stopReason: 'cancelled' },
      keepMs: 0,
      layers: [layer],
      messages: [said('x')],
    })
    assert.ok((await store.commit(end)).ok)
    assert.deepEqual(await store.deleteSession(run.sessionId), {
      ok: true,
      workspaceId: run.workspaceId,
      layerIds: [layer.id],
    })
    const other = await again()
    assert.equal(await other.run(run.runId), undefined)
    assert.equal(await other.session(run.sessionId), undefined)
    assert.deepEqual(await other.messages(run.runId, 0), [])
    assert.deepEqual(await other.events(run.runId, 0), [])
    assert.deepEqual(await other.layers(run.workspaceId), [])
    assert.deepEqual(await store.deleteSession(run.sessionId), { ok: false, why: 'gone' })
    assert.deepEqual(await post(store, { runId: run.runId, entry: { type: 'cancel', at: 1 }, now: 1 }), {
      ok: false,
      why: 'gone',
    })
  })
}
