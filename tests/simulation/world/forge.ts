/**
 * The forge as Stint's real adapters meet it: GitHub's REST, and what the carrier does for a push. A commit says which
 * workspace it comes from and after how many changes, so that one can be seen to stand on another.
 */
import { createHash } from 'node:crypto'
import { carrierOver } from '../../../functions/adapters/carried.ts'
import { githubForge } from '../../../functions/adapters/github.ts'
import type { Packing } from '../../../functions/adapters/sandbox-client.ts'
import type { Ports } from '../../../functions/ports.ts'
import type { PackReply, PushReply, Request, Snapshot } from '../../../sandbox-runner/protocol.ts'
import type { Faults } from '../faults.ts'
import type { Network, Process } from './network.ts'

export const REPO_URL = 'https://github.com/acme/shop'
const API = 'https://api.github.com/repos/acme/shop'
/** A branch of this name changes what the forge runs. */
export const isCi = (branch: string): boolean => /(^|\/)ci-/.test(branch)

type Packed = { runId: string; workspaceId: string; count: number }
type Stood = Packed & { commit: string }
type Pull = { number: number; branch: string }
type PushRequest = Extract<Request, { op: 'push' }>

export class SimulatedForge {
  /** Where each branch stood, in order. */
  readonly branches = new Map<string, Stood[]>()
  readonly pulls: Pull[] = []
  private readonly faults: Faults
  /** Told of every branch that is about to be moved. */
  private readonly onPush: (push: { runId: string; branch: string; commit: string; ci: boolean }) => void

  constructor(faults: Faults, onPush: SimulatedForge['onPush']) {
    this.faults = faults
    this.onPush = onPush
  }

  push({ branch, commit, pack, perform, allowed }: PushRequest): PushReply {
    const ci = isCi(branch) ? ['.github/workflows/ci.yml'] : []
    const stood = this.branches.get(branch) ?? []
    const was = stood.at(-1)
    if (was?.commit === commit) return { ok: true, state: 'there', ci: [], diff: '' }
    const packed = JSON.parse(Buffer.from(pack, 'base64').toString()) as Packed
    if (was && (was.workspaceId !== packed.workspaceId || was.count > packed.count))
      return { ok: false, code: 'branch_moved', message: 'the branch has other commits', retry: false }
    if (!perform) return { ok: true, state: 'looked', ci, diff: ci.join() }
    if (ci.some((path) => !allowed.includes(path)))
      return { ok: false, code: 'ci_changed', message: 'that was not shown', retry: false }
    this.breaks('before')
    this.onPush({ runId: packed.runId, branch, commit, ci: ci.length > 0 })
    this.branches.set(branch, [...stood, { ...packed, commit }])
    this.breaks('after')
    return { ok: true, state: 'pushed', ci, diff: '' }
  }

  /** Status and body of one call of the API. */
  rest(method: string, address: string, body: string): [status: number, data: unknown] {
    const url = new URL(address)
    if (url.href === API) return [200, { default_branch: 'main' }]
    if (url.pathname !== new URL(`${API}/pulls`).pathname) return [404, { message: 'Not Found' }]
    const shown = ({ number }: Pull) => ({ number, html_url: `${REPO_URL}/pull/${number}`, draft: true })
    if (method === 'GET') {
      const branch = url.searchParams.get('head')?.replace('acme:', '')
      return [200, this.pulls.filter((pull) => pull.branch === branch).map(shown)]
    }
    const { head } = JSON.parse(body) as { head: string }
    const failed = (error: object): [number, unknown] => [422, { message: 'Validation Failed', errors: [error] }]
    if (!this.branches.has(head)) return failed({ resource: 'PullRequest', field: 'head', code: 'invalid' })
    if (this.pulls.some(({ branch }) => branch === head))
      return failed({ code: 'custom', message: `A pull request already exists for acme:${head}.` })
    this.breaks('before')
    const pull = { number: this.pulls.length + 1, branch: head }
    this.pulls.push(pull)
    this.breaks('after')
    return [201, shown(pull)]
  }

  private breaks(when: 'before' | 'after'): void {
    if (this.faults.happens(`outside_error_${when}`)) throw new Error('the forge did not answer')
  }
}

/** The ports to it, of one process. */
export function portsToForge(
  forge: SimulatedForge,
  sandbox: Packing,
  network: Network,
  process: Process,
): Required<Pick<Ports, 'forge' | 'carrier'>> {
  const answer = async (url: string | URL | globalThis.Request, { method = 'GET', body }: RequestInit = {}) => {
    const [status, data] = await network.ask(process, `github ${method}`, async () =>
      forge.rest(method, String(url), String(body ?? '')),
    )
    // Whole already: nothing of it is awaited beside the simulated world.
    const headers = new Headers({ 'content-type': 'application/json; charset=utf-8' })
    return { status, url: String(url), headers, text: async () => JSON.stringify(data) } as Response
  }
  const github = githubForge({ token: 'simulated', fetch: answer })
  const send = (request: Request): Promise<unknown> =>
    network.ask(process, 'carrier.push', async () => forge.push(request as PushRequest))
  return { forge: github, carrier: carrierOver(sandbox, { send, close: async () => {} }, github) }
}

/** What a simulated machine has to push: its snapshot as a commit. */
export function packOf(runId: string, workspaceId: string, { id, count }: Snapshot): PackReply {
  const packed: Packed = { runId, workspaceId, count }
  return {
    ok: true,
    commit: createHash('sha1').update(id).digest('hex'),
    commits: 1,
    boundary: [],
    uncommitted: 0,
    pack: Buffer.from(JSON.stringify(packed)).toString('base64'),
  }
}
