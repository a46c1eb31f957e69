/**
 * Pushes the last commit of the workspace to a branch below `stint/`. What would be pushed is looked at before anybody
 * is asked, so that the question names the commit and shows every change to what the forge runs by itself (CI); such a
 * push is never done unasked. Exactly the commit that was looked at is pushed.
 */
import { z } from 'zod'
import type { Pushed } from '../ports.ts'
import { defineTool, type Reach } from './define.ts'
import { answerOf, BranchName, branchOf, NO_FORGE } from './publishing.ts'

const Looked = z.object({ commit: z.string(), ci: z.array(z.string()) })

export const gitPush = defineTool({
  name: 'git_push',
  category: 'git operations',
  description: 'Push the last commit to a branch below stint/ of the repository the workspace was cloned from.',
  input: z.object({
    branch: BranchName.optional(),
  }),
  risk: 'external',
  changes: true,
  repeat: 'safe',
  timeoutMs: 600_000,
  async look({ branch }, reach) {
    const name = branchOf(branch, reach.run)
    const found = await push(name, reach, [])
    if (!found) return { answer: NO_FORGE }
    if (!found.ok) return { answer: answerOf(found) }
    if (found.state === 'there') return { answer: done(found, name) }
    const { commit, commits, remote, ci, diff } = found
    const what = `pushes ${plural(commits, 'commit')}, up to ${commit.slice(0, 12)}, to ${name} of ${remote}`
    const reason = ci.length > 0 ? `${what}, and changes what is run there: ${ci.join(', ')}` : what
    return {
      verdict: { decision: 'approve', reason, ...(ci.length > 0 ? { always: true, part: ci.join(', ') } : {}) },
      key: JSON.stringify({ commit, ci } satisfies z.infer<typeof Looked>),
      preview: diff === '' ? `${what}\n` : `${what}\n\n${diff}`,
    }
  },
  async run({ branch }, reach) {
    const looked = Looked.parse(JSON.parse(reach.looked ?? '{}'))
    const name = branchOf(branch, reach.run)
    const pushed = await reach.outside(`push ${reach.callId}`, () => push(name, reach, looked.ci, looked.commit))
    if (!pushed) return NO_FORGE
    return pushed.ok ? done(pushed, name) : answerOf(pushed)
  },
})

async function push(branch: string, reach: Reach, allowed: string[], commit?: string) {
  const { carrier, run, workspace } = reach
  if (!carrier?.remote(run.repo) || !run.repo) return undefined
  const found = await carrier.push({ ...workspace, repo: run.repo, branch, allowed, ...(commit ? { commit } : {}) })
  return found.ok ? found : reach.again(found)
}

const done = ({ state, commit, commits, remote, uncommitted }: Pushed, branch: string) => ({
  output: [
    state === 'there'
      ? `${branch} of ${remote} is at ${commit.slice(0, 12)} already.`
      : `Pushed ${plural(commits, 'commit')} to ${branch} of ${remote}, which is at ${commit.slice(0, 12)} now.`,
    ...(uncommitted > 0 ? [`${plural(uncommitted, 'changed file')} not committed, and not in it.`] : []),
  ].join('\n'),
  data: { branch, commit, remote },
})

const plural = (n: number, word: string): string => `${n} ${word}${n === 1 ? '' : 's'}`
