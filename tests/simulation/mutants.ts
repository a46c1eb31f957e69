/**
 * Guards, each removed from the real source by replacing one piece of it: the simulation must notice. A piece that is
 * not found any more is an error, so that no mutant survives by not being one.
 */
export type Edit = { file: string; find: string; replace: string }
export type Mutant = { removes: string; edits: Edit[] }

const SQLITE = 'functions/adapters/sqlite-store.ts'
const SCRIPTS = 'functions/adapters/redis-scripts.ts'
const ADVANCE = 'functions/engine/advance.ts'

const edit = (file: string, find: string, replace: string): Edit => ({ file, find, replace })

export const MUTANTS: Record<string, Mutant> = {
  fence: {
    removes: 'a commit under an older lease is refused',
    edits: [
      edit(SQLITE, "if (found.token !== token) return { ok: false as const, why: 'fenced' as const }", ''),
      edit(SCRIPTS, "if held ~= token then return {'FENCED'} end", ''),
    ],
  },
  step: {
    removes: 'a commit must follow the step that is stored',
    edits: [
      edit(SQLITE, "if (found.step !== after) return { ok: false as const, why: 'stale' as const }", ''),
      edit(SCRIPTS, "if current ~= after then return {'STALE'} end", ''),
    ],
  },
  'commit-id': {
    removes: 'a commit that is sent again is answered and not judged anew',
    edits: [
      edit(SQLITE, 'if (found.last === id) return', 'if (false) return'),
      edit(SCRIPTS, 'if last == commit then return', 'if false then return'),
    ],
  },
  'model-tools-split': {
    removes: "the model's answer is committed before its calls are performed",
    edits: [
      edit(
        ADVANCE,
        "    const going = keep && made.run.status !== 'waiting'",
        `    if (outcome.type === 'model_response' && made.run.action.type === 'run_tools') {
      unsaved.set(held, { messages: made.messages, events: made.events })
      held.run = { ...made.run, step: held.run.step }
      held.messages.push(...made.messages)
      return { inbox, released: false }
    }
    const early = unsaved.get(held) ?? { messages: [], events: [] }
    unsaved.delete(held)
    made.messages.unshift(...early.messages)
    made.events.unshift(...early.events)
    const going = keep && made.run.status !== 'waiting'`,
      ),
      edit(
        ADVANCE,
        'type Committed = {',
        "const unsaved = new WeakMap<Held, Pick<Commit, 'messages' | 'events'>>()\ntype Committed = {",
      ),
    ],
  },
  journal: {
    removes: 'an effect outside is written down before it happens',
    edits: [
      edit(
        'functions/engine/effects.ts',
        'const known = await store.intend({ runId, token, effectId: effect.id })',
        'const known: { begun: boolean; outcome?: unknown } | undefined = { begun: false }',
      ),
    ],
  },
  sweep: {
    removes: 'runs that nobody was woken for are found',
    edits: [
      edit('functions/engine/sweep.ts', 'for (const wake of wakes) {', 'for (const wake of wakes.slice(0, 0)) {'),
    ],
  },
  'snapshot-pointer': {
    removes: 'the layer is stored with the pointer that needs it',
    edits: [
      edit(SQLITE, 'for (const layer of layers) keepLayer(next.workspaceId, layer)', ''),
      edit(SCRIPTS, 'put(layers) add(bySession)', "put(layers .. ':lost') add(bySession)"),
    ],
  },
  'early-pointer': {
    removes: 'work begins from the snapshot that was committed, not from the newest there is',
    edits: [
      edit(
        'functions/engine/perform.ts',
        'const inSandbox = (',
        'const newest = new Map<string, SnapshotRef>()\nconst inSandbox = async (',
      ),
      edit(
        'functions/engine/perform.ts',
        '  return sandbox.perform({\n    runId,\n    workspaceId,\n    fence: token,\n    start,\n    head,\n',
        '  const begins = newest.get(workspaceId) ?? head\n  newest.set(workspaceId, begins)\n  const noted = (done: Awaited<ReturnType<typeof sandbox.perform>>) => {\n    if (done.ok && done.change) newest.set(workspaceId, done.change.head)\n    return done\n  }\n  return noted(await sandbox.perform({\n    runId,\n    workspaceId,\n    fence: token,\n    start,\n    head: begins,\n',
      ),
      edit(
        'functions/engine/perform.ts',
        '    layers: () => store.layers(workspaceId),\n    signal,\n  })\n}',
        '    layers: () => store.layers(workspaceId),\n    signal,\n  }))\n}',
      ),
    ],
  },
  'decision-hash': {
    removes: 'an approval holds for these very arguments',
    edits: [
      edit('functions/tools/pipeline.ts', "createHash('sha256').update(", "createHash('sha256').update(tool || "),
    ],
  },
  approval: {
    removes: 'a call that policy holds back waits for a person',
    edits: [edit('functions/core/verdicts.ts', "(run.approval === 'ask' || call.verdict.always === true)", 'false')],
  },
  'always-ask': {
    removes: 'a push that changes what the forge runs waits under any approval',
    edits: [
      edit(
        'functions/core/verdicts.ts',
        "(run.approval === 'ask' || call.verdict.always === true)",
        "run.approval === 'ask'",
      ),
    ],
  },
  'look-first': {
    removes: 'a push is looked at before anybody is asked',
    edits: [edit('functions/core/verdicts.ts', '  !call.look &&\n', '')],
  },
  decided: {
    removes: 'a call is decided once',
    edits: [
      edit(SQLITE, "if (parsed?.type === 'decision')", 'if (parsed === null && parsed)'),
      edit(SCRIPTS, "if made then return {'DECIDED', made} end", ''),
    ],
  },
  idempotency: {
    removes: 'one run per idempotency key',
    edits: [
      edit(SQLITE, 'if (known && first) {', 'if (known && first && false) {'),
      edit(SQLITE, "'INSERT INTO idempotency (", "'INSERT OR REPLACE INTO idempotency ("),
      edit(SCRIPTS, 'if tonumber(till) > now then return {its', 'if false then return {its'),
    ],
  },
  'post-id': {
    removes: 'what a person sent is added once, however often it is sent',
    edits: [
      edit(SQLITE, 'if (same) return', 'if (same && false) return'),
      edit(SCRIPTS, "if same then return {'OK', same", "if false then return {'OK', same"),
    ],
  },
  unread: {
    removes: 'a run does not end while somebody has said something to it',
    edits: [
      edit(SQLITE, 'inbox.some((entry) => entry.seq > inboxRead)', 'false'),
      edit(SCRIPTS, 'and tonumber(entries) > read then', 'and false then'),
    ],
  },
  'answered-early': {
    removes: 'a wait for what is there already is over at once, whoever dies',
    edits: [
      edit(SQLITE, "next.status === 'waiting' && answered ? AT_ONCE : (dueAt ?? null)", 'dueAt ?? null'),
      edit(SCRIPTS, 'topic == awaits) then dueAt = AT_ONCE end', 'topic == awaits) then dueAt = dueAt end'),
    ],
  },
  lease: {
    removes: 'a lease that has not run out is left to whoever holds it',
    edits: [
      edit(SQLITE, 'if (found.lease_until > now && found.owner', 'if (false && found.owner'),
      edit(SCRIPTS, 'if tonumber(till) > now and holder ~= owner', 'if false and holder ~= owner'),
    ],
  },
  token: {
    removes: 'each claim has a higher token',
    edits: [
      edit(SQLITE, 'const token = found.token + 1', 'const token = found.token'),
      edit(SCRIPTS, 'token, claims = token + 1, claims + 1', 'token, claims = token + 0, claims + 1'),
    ],
  },
  'shown-early': {
    removes: 'nothing is shown before it is committed',
    edits: [
      edit(
        ADVANCE,
        '    const reply = await insist(',
        '    ports.feed.publish(made.events)\n    const reply = await insist(',
      ),
    ],
  },
  'session-moved': {
    removes: 'a run begins with what the one before it in its session left',
    edits: [
      edit(SQLITE, '.head?.id !== session.head?.id)', ' === undefined)'),
      edit(SCRIPTS, "if goesOn ~= '' and head and", 'if false and'),
    ],
  },
  'stop-fence': {
    removes: 'who lost the lease does not stop the work of who has it',
    edits: [
      edit(
        'functions/adapters/sandbox-client.ts',
        "{ op: 'stop', runId, callIds, fence }",
        "{ op: 'stop', runId, callIds }",
      ),
    ],
  },
  'given-back': {
    removes: 'a lease that was given back stays so',
    edits: [
      edit(SQLITE, "found.token !== token || found.owner === ''", 'found.token !== token'),
      edit(SCRIPTS, "if held ~= token or owner == ''", 'if held ~= token'),
    ],
  },
  'fork-files': {
    removes: 'a fork has the files that its transcript tells of',
    edits: [
      edit(
        'functions/engine/fork.ts',
        'marks.findLast((found) => found.step <= step && found.messageSeq <= kept.length) ?? mark',
        'mark',
      ),
    ],
  },
}
