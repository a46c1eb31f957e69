/**
 * The carrier: does what needs the network (clones, pushes) for runners that have none, with a credential that comes
 * with each request and is forgotten with it. It never runs anything of a repo: it performs no calls, and git is the git
 * of `workspace/git.ts`. What it makes goes back as a runner's answers do: a clone is a workspace's first snapshot.
 *
 *     node sandbox-runner/carrier.ts     reads the same line as server.ts
 */

import type { Handler } from './answer.ts'
import { PushBroken, push } from './carry/push.ts'
import { startedAs } from './entry.ts'
import { nothingHolds } from './exec/isolation.ts'
import { commandLimits } from './exec/watch.ts'
import { failure, faultOf } from './faults.ts'
import type { Request } from './protocol.ts'
import { Runner, type RunnerOptions } from './runner.ts'
import { main } from './server.ts'
import { localPath } from './workspace/source.ts'

export class Carrier implements Handler {
  private readonly runner: Runner
  private readonly objects: string | undefined
  busy = 0

  readonly isolation = nothingHolds('the carrier runs no commands')

  constructor({ home, objects }: Pick<RunnerOptions, 'home' | 'objects'>) {
    this.objects = objects
    const machine = { isolation: this.isolation, limits: commandLimits() }
    this.runner = new Runner({ home, objects, machine, egress: true })
  }

  /** Never rejects. */
  async handle(request: Exclude<Request, { op: 'health' }>, untilMs?: number): Promise<object> {
    this.busy++
    try {
      switch (request.op) {
        case 'prepare':
          return await this.prepare(request)
        case 'code':
          if (!request.repo || localPath(request.repo.url) !== undefined)
            return failure('bad_request', 'the carrier holds no workspaces', false)
          return await this.runner.handle(request, untilMs)
        case 'push':
          return await push(request)
        case 'upload':
        case 'forget':
          return await this.runner.handle(request)
        default:
          return failure('bad_request', `the carrier does not do ${request.op}`, false)
      }
    } catch (error) {
      if (error instanceof PushBroken) return failure('push_failed', error.message, true)
      return faultOf(error)
    } finally {
      this.busy--
    }
  }

  /**
   * Nothing is left of a clone once it is stored: what is asked again is cloned again. Where it is stored by a lent
   * address, that comes after the answer, and whoever asked says when it may go.
   */
  private async prepare(request: Extract<Request, { op: 'prepare' }>): Promise<object> {
    const { workspace, repo, head } = request
    if (!repo || head || localPath(repo.url) !== undefined)
      return failure('bad_request', 'the carrier makes new workspaces of repos at addresses, and nothing else', false)
    const reply = await this.runner.handle(request)
    if (this.objects !== undefined) await this.runner.handle({ op: 'forget', workspace })
    return reply
  }

  async endOrphans(): Promise<void> {}
}

if (startedAs('carrier')) await main(async ({ home, objects }) => new Carrier({ home, objects }))
