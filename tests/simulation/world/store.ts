/** The real store as one process sees it: over the network, watched by the checker, and forgetting a commit at times. */
import type { Store } from '../../../functions/ports.ts'
import type { Checker } from '../checker.ts'
import type { Faults } from '../faults.ts'
import type { Trace } from '../trace.ts'
import type { Backend } from './backend.ts'
import type { Network, Process } from './network.ts'

export type StoreWorld = {
  backend: Backend
  checker: Checker
  faults: Faults
  trace: Trace
  saw(reply: string): void
  /** Something changed. */
  stirred(): void
}

export function watchedStore(world: StoreWorld, network: Network, process: Process): Store {
  const { backend, checker, faults, trace } = world
  const { store } = backend
  const asked = <T>(label: string, work: () => Promise<T>): Promise<T> =>
    network.ask(
      process,
      label,
      async () => {
        const reply = await work()
        const said = codeOf(reply)
        trace.add(process.name, said ? `${label}: ${said}` : label)
        if (said) world.saw(`${label.split(' ')[0]} ${said}`)
        return reply
      },
      { again: true },
    )
  /** What only reads, or changes what no invariant is about. */
  const passed =
    <Args extends unknown[], T>(name: string, method: (...args: Args) => Promise<T>) =>
    (...args: Args): Promise<T> =>
      asked(name, () => method.call(store, ...args))

  const watched: Partial<Store> = {
    start: (request) =>
      asked(`start ${request.run.runId}`, async () => {
        // A known gap: a start that arrives once more after its session was removed makes the run again.
        if (checker.removed.has(request.run.runId)) throw new Error('its session was removed')
        const reply = await store.start(request)
        await checker.started(request, reply)
        world.stirred()
        return reply
      }),
    claim: (request) =>
      asked(`claim ${request.runId}@${request.step}`, async () => {
        const reply = await store.claim(request)
        checker.claimed(request, reply)
        return reply
      }),
    commit: (commit) =>
      asked(
        `commit ${commit.runId}#${commit.id} ${commit.after}>${commit.run.step} ${commit.run.action.type}`,
        async () => {
          const forgets = checker.runs.has(commit.runId) && faults.happens('rollback_of_a_commit')
          const undo = forgets ? [await backend.save(commit.run), checker.save(commit.runId)] : []
          const reply = await store.commit(commit)
          await checker.committed(commit, reply, network.scheduler.now)
          if (!reply.ok || undo.length === 0) return reply
          for (const back of undo) await back()
          trace.add('store', `forgets commit ${commit.runId}#${commit.id}`)
          return reply
        },
      ),
    renew: (request) =>
      asked(`renew ${request.runId}#${request.token}`, async () => {
        const reply = await store.renew(request)
        checker.renewed(request, reply !== undefined)
        return reply
      }),
    post: (post) =>
      asked(`post ${post.runId} ${post.entry.type}`, async () => {
        const reply = await store.post(post)
        checker.posted(post, reply, network.scheduler.now)
        world.stirred()
        return reply
      }),
    deleteSession: (sessionId) =>
      asked(`delete ${sessionId}`, async () => {
        const reply = await store.deleteSession(sessionId)
        if (reply.ok) checker.forget(sessionId)
        return reply
      }),
  }
  return new Proxy(store, {
    get(target, name: keyof Store & string) {
      const method = watched[name] ?? target[name]
      return watched[name] ? method : passed(name, method as (...args: unknown[]) => Promise<unknown>)
    },
  })
}

/** `ok`, or why not; undefined where a reply has no such code. */
function codeOf(reply: unknown): string | undefined {
  if (reply === undefined) return 'nothing'
  if (typeof reply !== 'object' || reply === null || !('ok' in reply)) return undefined
  const { ok, code, why } = reply as { ok: boolean; code?: string; why?: string }
  return ok ? 'ok' : (why ?? code)
}
