/** Which repos a request may name: addresses of allowed hosts, and local paths only where that was allowed. */
import { isAbsolute } from 'node:path'
import type { Repo } from '../core/types.ts'
import type { Face } from './context.ts'
import { Problem } from './problem.ts'

/** The repo as the engine takes it. @throws Problem that says why it is refused. */
export async function checkRepo(repo: Repo | undefined, face: Face): Promise<Repo | undefined> {
  if (!repo) return undefined
  const refuse = (code: string, detail: string, hint?: string) =>
    new Problem(code, { detail, errors: [{ field: 'repo.url', message: detail }], ...(hint ? { hint } : {}) })
  const local = isAbsolute(repo.url) || repo.url.startsWith('file://')
  if (!local) {
    const host = hostOf(repo.url)
    if (!host) throw refuse('repo_invalid', 'repo.url is neither an https or ssh git address nor an absolute path')
    if (/^\w+:\/\/[^/@]*:[^/@]*@/.test(repo.url)) throw refuse('repo_invalid', 'repo.url must not hold a password')
    const loopback = face.keys.length === 0 && /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(host)
    if (/^http:/i.test(repo.url) && !loopback) throw refuse('repo_invalid', 'repo.url must be https or ssh')
    if (!loopback && !face.repoHosts.includes(host))
      throw refuse('repo_host_refused', `repos of ${host} are not allowed here`, 'STINT_REPO_HOSTS names the hosts.')
    return repo
  }
  if (face.keys.length > 0 && face.repoRoots.length === 0)
    throw refuse(
      'repo_path_refused',
      'local paths are not accepted by this server',
      'STINT_REPO_ROOTS names the folders that are.',
    )
  const found = await face.agent.ports.sandbox.locate(repo)
  if (!found.ok)
    throw new Problem(found.code === 'sandbox_unreachable' ? 'sandbox_unavailable' : found.code, {
      detail: found.message,
    })
  const { top } = found
  if (
    face.repoRoots.length > 0 &&
    !face.repoRoots.some((root) => top === root || top.startsWith(`${root.replace(/\/$/, '')}/`))
  )
    throw refuse('repo_path_refused', `${top} is not under a folder of STINT_REPO_ROOTS`)
  const subdir = repo.subdir ?? found.subdir
  return { url: top, ...(repo.ref ? { ref: repo.ref } : {}), ...(subdir ? { subdir } : {}) }
}

/** The host of `https://host/…`, `ssh://user@host/…` or `user@host:path`; undefined for anything else. */
function hostOf(url: string): string | undefined {
  if (/[\s\u0000-\u001f]/.test(url)) return undefined
  if (/^(https?|ssh):\/\//i.test(url)) return URL.canParse(url) ? new URL(url).hostname.toLowerCase() : undefined
  return /^[\w.-]+@([\w.-]+):(?!\/\/)[\w./~-]+$/.exec(url)?.[1]?.toLowerCase()
}
