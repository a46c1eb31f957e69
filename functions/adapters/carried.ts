/**
 * A sandbox without network, and a carrier that has it: what a request needs of a repo at an address is done by the
 * carrier, with a credential of the forge where it gives one; all else by the sandbox. The engine sees one Sandbox.
 */
import { isAbsolute } from 'node:path'
import type { Forge, Sandbox } from '../ports.ts'
import { type Credentials, sandboxOver, type Transport } from './sandbox-client.ts'

export function carried(sandbox: Sandbox, transport: Transport, forge: Forge | undefined): Sandbox {
  const carrier = sandboxOver(transport, { credentials: credentialsOf(forge) })
  return {
    ...sandbox,
    prepare: (request) =>
      request.repo && !request.head && isAddress(request.repo.url)
        ? carrier.prepare(request)
        : sandbox.prepare(request),
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
