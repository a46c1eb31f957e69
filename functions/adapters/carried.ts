/**
 * A sandbox without network, and a carrier that has it: what a request needs of a repo at an address is done by the
 * carrier, with a credential of the forge where it gives one; all else by the sandbox. The engine sees one Sandbox.
 */
import { isAbsolute } from 'node:path'
import { PushReply } from '../../sandbox-runner/protocol.ts'
import type { Carrier, Forge, Sandbox, Snapshots } from '../ports.ts'
import { type Credentials, type Packing, sandboxOver, type Transport } from './sandbox-client.ts'

export function carried(
  sandbox: Sandbox,
  transport: Transport,
  forge: Forge | undefined,
  lend?: Snapshots['lend'],
): Sandbox {
  const carrier = sandboxOver(transport, { credentials: credentialsOf(forge), lend })
  return {
    ...sandbox,
    async prepare(request) {
      if (!request.repo || request.head || !isAddress(request.repo.url)) return sandbox.prepare(request)
      const reply = await carrier.prepare(request)
      // It kept the clone until its files were stored. One that stays is forgotten with the next of the same workspace.
      if (lend && reply.ok) await carrier.forget(request.workspaceId).catch(() => {})
      return reply
    },
    code: (request) =>
      'repo' in request.place && isAddress(request.place.repo.url) ? carrier.code(request) : sandbox.code(request),
    async close() {
      await Promise.all([sandbox.close(), carrier.close()])
    },
  }
}

/** What is neither a path nor a file's address; see `localPath` of the runner. */
export const isAddress = (url: string): boolean => !isAbsolute(url) && !/^file:/i.test(url)

/** A repo that the forge knows nothing of, or may not read, is read as anybody may. */
const credentialsOf =
  (forge: Forge | undefined): Credentials =>
  async (repo, signal) => {
    const url = forge?.remote(repo.url)
    if (!forge || url === undefined) return { ok: true, repo }
    const made = await forge.credential(url, 'read', signal)
    if (made.ok) return { ok: true, repo: { ...repo, url }, credential: made.credential }
    return made.retry ? made : { ok: true, repo }
  }

const PUSH_MS_MAX = 600_000

/** Takes the commits out of the sandbox, a credential from the forge, and both to the carrier. */
export const carrierOver = (sandbox: Packing, transport: Transport, forge: Forge): Carrier => ({
  remote: (repo) => repo && forge.remote(repo.url),
  async push({ repo, branch, commit, allowed, signal, ...workspace }) {
    const remote = forge.remote(repo.url)
    if (remote === undefined) return refuse('forge_missing', `${forge.name} does not hold this repo`)
    const packed = await sandbox.pack(workspace)
    if (!packed.ok) return packed
    if (commit !== undefined && packed.commit !== commit)
      return refuse('commit_moved', `the workspace stands at ${packed.commit}, not at ${commit}`)
    const may = commit === undefined ? 'read' : allowed.length > 0 ? 'workflows' : 'write'
    const opened = await forge.credential(remote, may, signal)
    if (!opened.ok) return opened
    const { pack, boundary, commits, uncommitted } = packed
    const asked = {
      op: 'push' as const,
      url: remote,
      branch,
      ...(repo.ref === undefined ? {} : { ref: repo.ref }),
      commit: packed.commit,
      boundary,
      pack,
      perform: commit !== undefined,
      allowed,
      credential: opened.credential,
    }
    try {
      const reply = PushReply.safeParse(await transport.send(asked, { timeoutMs: PUSH_MS_MAX }))
      if (!reply.success) return refuse('carrier_nonsense', 'the carrier answered something else', true)
      if (!reply.data.ok) return reply.data
      const { state, ci, diff } = reply.data
      return { ok: true, state, remote, commit: packed.commit, commits, uncommitted, ci, diff }
    } catch (error) {
      return refuse('carrier_unreachable', (error as Error).message, true)
    }
  },
})

const refuse = (code: string, message: string, retry = false) => ({ ok: false as const, code, message, retry })
