/**
 * The Forge port on GitHub's REST API, of github.com or of a server of one's own. As a GitHub App it makes a credential
 * for each call, for one repo and what the call needs, which GitHub ends after an hour; with a token of a person it can
 * only hand that on. No credential is kept, logged or shown; messages of GitHub's are shown without it.
 */
import { createSign } from 'node:crypto'
import { request } from '@octokit/request'
import type { Credential, Forge, ForgeRefusal } from '../ports.ts'

export type GithubOptions = {
  /** Of the API: https://api.github.com, or https://HOST/api/v3. */
  apiUrl?: string | undefined
  /** Instead of the platform's own. */
  fetch?: typeof fetch
} & ({ token: string } | { appId: string; privateKey: string })

type Slug = { owner: string; repo: string }
type Ask = (route: string, token: string, parameters: Record<string, unknown>, signal: AbortSignal) => Promise<Reply>
type Reply = { ok: true; data: unknown } | (ForgeRefusal & { status: number })
type Pull = { number: number; html_url: string; draft?: boolean }

const API_URL = 'https://api.github.com'
/** GitHub allows ten minutes; its clock and ours may differ by one. */
const APP_TOKEN_SECONDS = 540
const CLOCK_SECONDS = 60

export function githubForge(options: GithubOptions): Forge {
  const apiUrl = options.apiUrl?.replace(/\/$/, '') ?? API_URL
  const web = new URL(apiUrl === API_URL ? 'https://github.com' : apiUrl).origin
  const ask = asking(apiUrl, options.fetch)

  const slugOf = (url: string): Slug | undefined => {
    const found = /^(?:https?:\/\/|ssh:\/\/)(?:[^/@]*@)?([^/]+)\/(.+)$/i.exec(url) ?? /^[^/@]+@([^/:]+):(.+)$/.exec(url)
    const [, host = '', path = ''] = found ?? []
    const [, owner, repo] = /^\/?([\w.-]+)\/([\w.-]+?)(?:\.git)?\/?$/.exec(path) ?? []
    const { host: own, hostname } = new URL(web)
    const isOurs = host.toLowerCase() === own || (!/^http/i.test(url) && host.replace(/:\d+$/, '') === hostname)
    return isOurs && owner && repo ? { owner, repo } : undefined
  }

  /** A token for one repo. @throws nothing: a refusal is a value. */
  async function tokenFor(
    { owner, repo }: Slug,
    permissions: Record<string, string>,
    signal: AbortSignal,
  ): Promise<{ ok: true; token: string } | ForgeRefusal> {
    if ('token' in options) return { ok: true, token: options.token }
    const app = appToken(options.appId, options.privateKey)
    const found = await ask('GET /repos/{owner}/{repo}/installation', app, { owner, repo }, signal)
    if (!found.ok)
      return found.status === 404
        ? {
            ok: false,
            code: 'forge_not_installed',
            message: `the GitHub App is not installed for ${owner}/${repo}`,
            retry: false,
          }
        : found
    const { id } = found.data as { id: number }
    const wanted = { installation_id: id, repositories: [repo], permissions }
    const made = await ask('POST /app/installations/{installation_id}/access_tokens', app, wanted, signal)
    return made.ok ? { ok: true, token: (made.data as { token: string }).token } : made
  }

  return {
    name: 'GitHub',
    remote(url) {
      const slug = slugOf(url)
      return slug && `${web}/${slug.owner}/${slug.repo}.git`
    },
    async credential(url, may, signal) {
      const slug = slugOf(url)
      if (!slug) return notHere(url)
      const made = await tokenFor(slug, RIGHTS[may], signal)
      if (!made.ok) return made
      return { ok: true, credential: { username: 'x-access-token', password: made.token } satisfies Credential }
    },
    async openPullRequest({ remote, branch, onto, title, body, draft, signal }) {
      const slug = slugOf(remote)
      if (!slug) return notHere(remote)
      const made = await tokenFor(slug, { contents: 'read', pull_requests: 'write' }, signal)
      if (!made.ok) return made
      const call = (route: string, parameters: Record<string, unknown> = {}) =>
        ask(route, made.token, { ...slug, ...parameters }, signal)
      const opened = (pull: Pull, existed: boolean) =>
        ({ ok: true, number: pull.number, url: pull.html_url, draft: pull.draft === true, existed }) as const
      const find = async () => {
        const query = { head: `${slug.owner}:${branch}`, state: 'open', per_page: 1 }
        const listed = await call('GET /repos/{owner}/{repo}/pulls', query)
        const [pull] = listed.ok ? (listed.data as Pull[]) : []
        return listed.ok ? pull && opened(pull, true) : listed
      }

      const earlier = await find()
      if (earlier) return earlier
      const base = await baseOf(call, onto)
      if (typeof base !== 'string') return base
      const sent = await call('POST /repos/{owner}/{repo}/pulls', { title, body, draft, head: branch, base })
      if (sent.ok) return opened(sent.data as Pull, false)
      // Somebody was faster, or an answer to us got lost.
      if (sent.status === 422 && /already exists/i.test(sent.message)) return (await find()) ?? sent
      return sent.status === 422 ? { ...sent, ...meaningOf(sent.message, branch, base) } : sent
    },
  }
}

type Call = (route: string, parameters?: Record<string, unknown>) => Promise<Reply>

/** What was asked for if it is a branch, else the repo's own. */
async function baseOf(call: Call, onto: string | undefined): Promise<string | ForgeRefusal> {
  if (onto !== undefined) {
    const found = await call('GET /repos/{owner}/{repo}/branches/{branch}', { branch: onto })
    if (found.ok) return onto
    if (found.status !== 404) return found
  }
  const repo = await call('GET /repos/{owner}/{repo}')
  return repo.ok ? (repo.data as { default_branch: string }).default_branch : repo
}

/** What GitHub finds wrong with a pull request, in words that help. */
function meaningOf(message: string, branch: string, base: string): Partial<ForgeRefusal> {
  if (/no commits between/i.test(message))
    return { code: 'nothing_to_propose', message: `${branch} has no commits that ${base} lacks` }
  if (/"?field"?:\s*"head"/.test(message)) return { code: 'branch_missing', message: `there is no branch ${branch}` }
  if (/draft pull requests are not supported/i.test(message))
    return { code: 'draft_unsupported', message: 'this repo has no draft pull requests; ask with draft: false' }
  return {}
}

/** A push that touches a workflow needs a right of its own. */
const RIGHTS: Record<Parameters<Forge['credential']>[1], Record<string, string>> = {
  read: { contents: 'read' },
  write: { contents: 'write' },
  workflows: { contents: 'write', workflows: 'write' },
}

/** One request. Whatever goes wrong is a refusal; `retry` where it is the world's fault. */
function asking(baseUrl: string, own: typeof fetch | undefined): Ask {
  const send = request.defaults({
    baseUrl,
    headers: { 'user-agent': 'Stint', 'x-github-api-version': '2022-11-28' },
  })
  return async (route, token, parameters, signal) => {
    const shown = (text: string) => text.replaceAll(token, '***').slice(0, 500)
    try {
      const headers = { authorization: `Bearer ${token}` }
      const { data } = await send(route, {
        ...parameters,
        headers,
        request: { signal, ...(own ? { fetch: own } : {}) },
      })
      return { ok: true, data }
    } catch (error) {
      const { status = 0, message } = error as { status?: number; message: string }
      const limited = status === 429 || (status === 403 && /rate limit/i.test(message))
      const code = limited ? 'forge_rate_limit' : status === 401 || status === 403 ? 'forge_refused' : 'forge_failed'
      // The library gives an answer that never came the status 500.
      return {
        ok: false,
        status,
        code,
        message: `GitHub: ${shown(message)}`,
        retry: limited || status === 0 || status >= 500,
      }
    }
  }
}

/** The App's own word that it is the App, for minutes (RFC 7519). */
function appToken(appId: string, privateKey: string): string {
  const now = Math.floor(Date.now() / 1000)
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const said = `${part({ alg: 'RS256', typ: 'JWT' })}.${part({ iss: appId, iat: now - CLOCK_SECONDS, exp: now + APP_TOKEN_SECONDS })}`
  return `${said}.${createSign('RSA-SHA256').update(said).sign(privateKey, 'base64url')}`
}

const notHere = (url: string): ForgeRefusal => ({
  ok: false,
  code: 'forge_missing',
  message: `${url.replace(/\/\/[^/@]*@/, '//')} is no repo of GitHub`,
  retry: false,
})
