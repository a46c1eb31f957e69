/**
 * What lies outside: a forge that is pushed to, a chat that can be searched, mail that cannot, and whoever waits for a
 * callback. The engine's own journal (`engine/effects.ts`) stands between a call that acts outside and its effect.
 */
import type { Run } from '../../../functions/core/types.ts'
import { type OutsideEffect, performOutside } from '../../../functions/engine/effects.ts'
import type { Callbacks, Performed, Sandbox, Store } from '../../../functions/ports.ts'
import type { Faults } from '../faults.ts'
import { OUTSIDE } from './files.ts'
import type { Network, Process } from './network.ts'

export type Effect = {
  kind: 'push' | 'chat' | 'mail'
  callId: string
  runId: string
  token: number
  text: string
  late?: boolean
}
export type Call = { callId: string; tool: string; input: unknown }

export class Outside {
  /** Everything that ever happened, in order. */
  readonly effects: Effect[] = []
  /** Messages that receivers of callbacks got, by id. */
  readonly callbacks = new Map<string, Set<string>>()
  /** What each run taught, by its id. */
  readonly lessons = new Map<string, Set<string>>()
  private readonly faults: Faults
  private readonly isLate: (runId: string, token: number) => boolean

  /** `isLate`: somebody else holds the run by now; what reaches the world nevertheless cannot be helped. */
  constructor(faults: Faults, isLate: (runId: string, token: number) => boolean) {
    this.faults = faults
    this.isLate = isLate
  }

  /** It happens, and sometimes whoever did it is not told so. */
  happens(effect: Effect): void {
    if (this.faults.happens('outside_error_before')) throw new Error(`${effect.kind} failed`)
    this.effects.push({ ...effect, late: this.isLate(effect.runId, effect.token) })
    if (this.faults.happens('outside_error_after')) throw new Error(`${effect.kind} did not answer`)
  }

  /** Kept once, however often it is told; sometimes whoever tells it hears of a failure. */
  learnt(runId: string, text: string): 'added' | 'known' {
    const known = this.lessons.get(runId)?.has(text)
    this.lessons.set(runId, (this.lessons.get(runId) ?? new Set()).add(text))
    if (this.faults.happens('outside_error_after')) throw new Error('memory did not answer')
    return known ? 'known' : 'added'
  }

  calledBack(id: string, body: string): Awaited<ReturnType<Callbacks['send']>> {
    if (this.faults.happens('callback_refused')) return { ok: false, again: true, detail: '503' }
    this.callbacks.set(id, (this.callbacks.get(id) ?? new Set()).add(body))
    return this.faults.happens('callback_reply_lost') ? { ok: false, again: true, detail: 'no answer' } : { ok: true }
  }
}

export const callbacksOf = (outside: Outside, network: Network, process: Process): Callbacks => ({
  refuse: () => undefined,
  send: ({ id, body }) => network.ask(process, `callback ${id}`, async () => outside.calledBack(id, body)),
})

/** The sandbox port, with commands that act outside taken out of it and done through the journal. */
export function actingOutside(
  sandbox: Sandbox,
  {
    outside,
    network,
    process,
    store,
    onCall,
  }: {
    outside: Outside
    network: Network
    process: Process
    store: Store
    onCall: (runId: string, call: Call) => void
  },
): Sandbox {
  async function act(runId: string, token: number, call: Call, kind: Effect['kind'], text: string): Promise<Performed> {
    const { callId } = call
    onCall(runId, call)
    const perform = (): Promise<string> =>
      network.ask(process, `${kind} ${text}`, async () => {
        outside.happens({ kind, callId, runId, token, text })
        return text
      })
    const find = (): Promise<string | undefined> =>
      network.ask(process, `find ${text}`, async () =>
        outside.effects.some((effect) => effect.callId === callId) ? text : undefined,
      )
    const effect: OutsideEffect<string> =
      kind === 'push'
        ? { id: callId, class: 'natural', perform }
        : kind === 'chat'
          ? { id: callId, class: 'lookup', perform, find }
          : { id: callId, class: 'once', perform }
    const done = await performOutside(effect, { run: { runId } as Run, token }, { store })
    if (done.state === 'lost') throw new Error(`the lease of ${runId} is lost`)
    const output = done.state === 'done' ? `${kind} done` : 'whether it was done is not known'
    return {
      ok: true,
      results: [{ callId, ok: true, output, data: { outside: done.state }, durationMs: 0, truncated: false }],
    }
  }

  return {
    ...sandbox,
    async perform(request) {
      const [call] = request.calls
      const [, kind, text] = OUTSIDE.exec(String((call?.input as { command?: string } | undefined)?.command)) ?? []
      if (!call || !kind || !text) return sandbox.perform(request)
      return act(request.runId, request.fence, call, kind as Effect['kind'], text)
    },
  }
}
