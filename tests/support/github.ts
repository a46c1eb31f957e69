/**
 * GitHub as its callers meet it: git over HTTP with basic auth, and the few calls of the REST API that Stint makes, with
 * GitHub's own words for what is wrong. Repos are bare repos in a folder; tokens are made for one repo and what they may.
 */
import { createVerify, generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { cgi } from './git-http.ts'
import { git, tempFolder, write } from './world.ts'

type Cleaner = Pick<TestContext, 'after'>
type Json = Record<string, unknown>
export type Pull = Json & { number: number; title: string; body: string; draft: boolean; state: string }
type Token = { repo: string; permissions: Record<string, string> }
type Seen = { method: string; path: string; body: Json }

export type Github = {
  /** Where repos are: `${url}/owner/repo.git`. */
  url: string
  env: Record<string, string>
  /** The bare repo's folder. */
  bare: string
  address: string
  pulls: Pull[]
  /** What the API was asked, in order. */
  seen: Seen[]
  tokens: Map<string, Token>
  /** Every name and value by which somebody tried to get in. */
  pushes: number
  /** Looks at a request before it is answered; true: it has answered itself. */
  intercept?: (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>
  /** Of a request that was performed: true, and its answer is lost. */
  loseAnswer?: (request: IncomingMessage) => boolean | Promise<boolean>
}

const keys = generateKeyPairSync('rsa', { modulusLength: 2048 })
export const APP_KEY = keys.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()
const OWNER = 'acme'
const REPO = 'shop'

/** One private repo `acme/shop` with these files on `main`, and an App that may use it. */
export async function startGithub(t: Cleaner, files: Record<string, string>): Promise<Github> {
  const root = tempFolder(t, 'stint-github-')
  const bare = join(root, OWNER, `${REPO}.git`)
  mkdirSync(bare, { recursive: true })
  git(bare, 'init', '-q', '--bare', '-b', 'main')
  const seed = join(tempFolder(t), 'seed')
  mkdirSync(seed)
  git(seed, 'init', '-q', '-b', 'main')
  write(seed, files)
  git(seed, 'add', '-A')
  git(seed, 'commit', '-q', '-m', 'start')
  git(seed, 'push', '-q', bare, 'main')

  const github: Github = {
    url: '',
    env: {},
    bare,
    address: '',
    pulls: [],
    seen: [],
    tokens: new Map(),
    pushes: 0,
  }
  const server = createServer((request, response) => {
    void answer(github, root, request, response).catch((error: Error) => {
      response.statusCode = 500
      response.end(error.stack)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  github.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  github.address = `${github.url}/${OWNER}/${REPO}.git`
  github.env = {
    GITHUB_API_URL: `${github.url}/api/v3`,
    GITHUB_APP_ID: '4711',
    GITHUB_APP_PRIVATE_KEY: APP_KEY.replaceAll('\n', '\\n'),
  }
  return github
}

async function answer(github: Github, root: string, request: IncomingMessage, response: ServerResponse) {
  if (await github.intercept?.(request, response)) return
  const path = request.url ?? ''
  if (path.startsWith('/api/v3/')) return api(github, path.slice('/api/v3'.length), request, response)
  const { permissions } = tokenOf(github, request) ?? {}
  const pushes = path.includes('receive-pack')
  if (!permissions?.contents || (pushes && permissions.contents !== 'write'))
    return response.writeHead(permissions ? 403 : 401, { 'www-authenticate': 'Basic realm="GitHub"' }).end('no')
  if (request.method === 'POST' && pushes) {
    github.pushes++
    if (await github.loseAnswer?.(request)) {
      // What git has to say goes nowhere.
      const socket = request.socket
      const end = response.end.bind(response)
      response.write = (() => true) as typeof response.write
      response.end = (() => {
        socket.destroy()
        return end()
      }) as typeof response.end
    }
  }
  cgi(root, request, response, path)
}

/** What a request's token may; a token of another repo opens nothing. */
function tokenOf({ tokens }: Github, { headers }: IncomingMessage): Token | undefined {
  const [scheme, given = ''] = (headers.authorization ?? '').split(' ')
  if (scheme === 'Bearer') return tokens.get(given)
  const [name, password = ''] = Buffer.from(given, 'base64').toString().split(':')
  return name === 'x-access-token' ? tokens.get(password) : undefined
}

function isTheApp({ headers }: IncomingMessage): boolean {
  const [head = '', body = '', signature = ''] = (headers.authorization ?? '').replace(/^Bearer /, '').split('.')
  const { iss, exp } = JSON.parse(Buffer.from(body, 'base64url').toString() || '{}') as { iss?: string; exp?: number }
  const rightly = createVerify('RSA-SHA256').update(`${head}.${body}`).verify(keys.publicKey, signature, 'base64url')
  return rightly && iss === '4711' && (exp ?? 0) * 1000 > Date.now()
}

async function api(github: Github, target: string, request: IncomingMessage, response: ServerResponse) {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  const body = JSON.parse(Buffer.concat(parts).toString() || '{}') as Json
  const { pathname: path, searchParams: query } = new URL(target, 'http://api')
  const method = request.method ?? ''
  github.seen.push({ method, path, body })
  const send = async (status: number, data: unknown) => {
    if (await github.loseAnswer?.(request)) return request.socket.destroy()
    response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(data))
  }
  const repo = `/repos/${OWNER}/${REPO}`
  if (path === '/repos/acme/shop/installation' || path.startsWith('/app/')) {
    if (!isTheApp(request)) return send(401, { message: 'A JSON web token could not be decoded' })
    if (path === `${repo}/installation`) return send(200, { id: 7 })
    const { repositories = [], permissions = {} } = body as { repositories?: string[]; permissions?: Json }
    if (path !== '/app/installations/7/access_tokens' || repositories.join() !== REPO)
      return send(422, { message: 'There is at least one repository that does not exist or is not accessible' })
    const token = `ghs_${randomBytes(18).toString('hex')}`
    github.tokens.set(token, { repo: REPO, permissions: permissions as Record<string, string> })
    return send(201, { token, expires_at: new Date(Date.now() + 3600_000).toISOString(), permissions })
  }
  const permissions = tokenOf(github, request)?.permissions
  if (!permissions || !path.startsWith(repo)) return send(permissions ? 404 : 401, { message: 'Not Found' })
  if (method === 'GET' && path === repo) return send(200, { default_branch: 'main', private: true })
  const branch = /\/branches\/(.+)$/.exec(path)?.[1]
  if (method === 'GET' && branch) {
    const known = git(github.bare, 'for-each-ref', '--format=%(refname:lstrip=2)', 'refs/heads').split('\n')
    return known.includes(decodeURIComponent(branch))
      ? send(200, { name: branch })
      : send(404, { message: 'Branch not found' })
  }
  if (path !== `${repo}/pulls` || !permissions.pull_requests) return send(404, { message: 'Not Found' })
  const open = github.pulls.filter(
    (pull) => pull.state === 'open' && (!query.get('head') || (pull.head as Json).label === query.get('head')),
  )
  if (method === 'GET') return send(200, open)
  if (permissions.pull_requests !== 'write') return send(403, { message: 'Resource not accessible by integration' })
  return openPull(github, body, send)
}

function openPull(github: Github, body: Json, send: (status: number, data: unknown) => Promise<unknown>) {
  const { title = '', body: text = '', draft = false, head = '', base = '' } = body as Record<string, never>
  const label = `${OWNER}:${head}`
  const failed = (errors: Json[]) => send(422, { message: 'Validation Failed', errors })
  const heads = git(github.bare, 'for-each-ref', '--format=%(refname:lstrip=2)', 'refs/heads').split('\n')
  if (!heads.includes(head)) return failed([{ resource: 'PullRequest', field: 'head', code: 'invalid' }])
  if (!heads.includes(base)) return failed([{ resource: 'PullRequest', field: 'base', code: 'invalid' }])
  if (git(github.bare, 'rev-parse', head) === git(github.bare, 'rev-parse', base))
    return failed([{ resource: 'PullRequest', code: 'custom', message: `No commits between ${base} and ${head}` }])
  if (github.pulls.some((pull) => pull.state === 'open' && (pull.head as Json).label === label))
    return failed([{ resource: 'PullRequest', code: 'custom', message: `A pull request already exists for ${label}.` }])
  const number = github.pulls.length + 1
  const pull: Pull = {
    number,
    title,
    body: text,
    draft,
    state: 'open',
    html_url: `${github.url}/${OWNER}/${REPO}/pull/${number}`,
    head: { label, ref: head },
    base: { ref: base },
  }
  github.pulls.push(pull)
  return send(201, pull)
}
