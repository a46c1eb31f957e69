/** Git over HTTP, served by git's own program. */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

type Cleaner = Pick<TestContext, 'after'>

const BACKEND = join(execFileSync('git', ['--exec-path'], { encoding: 'utf8' }).trim(), 'git-http-backend')
export const noBackend =
  !existsSync(BACKEND) && process.env.STINT_TEST_REQUIRE !== 'all' && 'git http-backend is not installed'

/** Serves every repo below `root`; with `password` only to who knows it. */
export async function serve(t: Cleaner, root: string, password?: string): Promise<string> {
  const server = createServer((request, response) => {
    const given = Buffer.from((request.headers.authorization ?? '').replace(/^Basic /, ''), 'base64').toString()
    if (password !== undefined && given !== `user:${password}`)
      return response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end('no')
    cgi(root, request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** One request to git's own server program, pushes included. */
export function cgi(root: string, request: IncomingMessage, response: ServerResponse, path = request.url ?? ''): void {
  const [place = '', query = ''] = path.split('?')
  const child = spawn(BACKEND, {
    env: {
      PATH: process.env.PATH,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: decodeURIComponent(place),
      QUERY_STRING: query,
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers['content-type'],
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'],
      GIT_PROTOCOL: request.headers['git-protocol'] as string | undefined,
      GIT_CONFIG_COUNT: '2',
      GIT_CONFIG_KEY_0: 'uploadpack.allowReachableSHA1InWant',
      GIT_CONFIG_VALUE_0: 'true',
      GIT_CONFIG_KEY_1: 'http.receivepack',
      GIT_CONFIG_VALUE_1: 'true',
      REMOTE_ADDR: '127.0.0.1',
    },
  })
  request.pipe(child.stdin)
  response.on('error', () => {})
  child.stdin.on('error', () => {})
  let head = Buffer.alloc(0)
  let begun = false
  child.stdout.on('data', (part: Buffer) => {
    if (begun) return response.write(part)
    head = Buffer.concat([head, part])
    const end = head.indexOf('\r\n\r\n')
    if (end === -1) return
    begun = true
    const fields = head
      .subarray(0, end)
      .toString()
      .split('\r\n')
      .map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()])
    for (const [name, value] of fields) if (name !== 'Status') response.setHeader(name, value)
    response.statusCode = Number(fields.find(([name]) => name === 'Status')?.[1].slice(0, 3) ?? 200)
    response.write(head.subarray(end + 4))
  })
  child.stdout.on('end', () => response.end())
}
