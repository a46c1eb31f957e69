/** Proposes the pushed branch. A proposal that exists is adopted: however often it is asked for, there is one. */
import { z } from 'zod'
import { PULL_BODY_CHARS_MAX } from '../core/limits.ts'
import { defineTool } from './define.ts'
import { answerOf, branchOf, NO_FORGE, pushedBranch } from './publishing.ts'

export const openPullRequest = defineTool({
  name: 'open_pull_request',
  category: 'git operations',
  description: 'Propose the pushed branch as a pull request, a draft unless draft is false.',
  input: z.object({
    title: z.string().trim().min(1).max(250),
    body: z.string().max(PULL_BODY_CHARS_MAX),
    draft: z.boolean().optional(),
  }),
  risk: 'external',
  changes: true,
  repeat: 'safe',
  timeoutMs: 60_000,
  async run({ title, body, draft = true }, reach) {
    const { forge, run, callId, workspace, messages } = reach
    const remote = run.repo && forge?.remote(run.repo.url)
    if (!forge || remote === undefined) return NO_FORGE
    const branch = pushedBranch(messages) ?? branchOf(undefined, run)
    const made = await reach.outside(`pull request ${callId}`, async () => {
      const asked = {
        remote,
        branch,
        title,
        body: `${body}\n\n---\nStint, ${run.runId}`,
        draft,
        signal: workspace.signal,
      }
      const answered = await forge.openPullRequest({ ...asked, ...(run.repo?.ref ? { onto: run.repo.ref } : {}) })
      return answered.ok ? answered : reach.again(answered)
    })
    if (!made.ok) return answerOf(made)
    const { number, url, existed } = made
    const what = made.draft ? 'draft pull request' : 'pull request'
    return {
      output: existed
        ? `${branch} is proposed already by ${what} #${number}, which was left as it is: ${url}`
        : `Opened ${what} #${number}: ${url}`,
      data: { number, url, branch, draft: made.draft, existed },
    }
  },
})
