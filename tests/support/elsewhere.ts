/** A whole run whose commands are performed elsewhere, with more in a layer than travels in a request. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { s3Env, startS3 } from './s3.ts'
import { ask, call, makeRepo, runTask, scripted, startStint } from './world.ts'

/** `where` names the sandbox in the environment. `diff` asks for the run's diff anew. */
export async function runElsewhere(t: TestContext, where: Record<string, string>) {
  const s3 = await startS3(t)
  const command = 'head -c 300000 /dev/urandom > big; echo b >> a.txt; cat a.txt'
  const model = await scripted(t, [call('run_command', { command }), { text: 'Done.' }])
  const stint = await startStint(t, { ...s3Env(s3), ...where, GROQ_BASE_URL: model.url })
  const repo = { url: makeRepo(t, { 'a.txt': 'a\n' }) }
  const run = await runTask(stint.url, { task: 'Add b.', repo, approval: 'auto' })
  assert.equal(run.status, 'completed', run.answer)
  assert.ok(s3.objects.size > 0, 'what is too large to travel is in the bucket')
  const diff = () =>
    ask<string>('GET', `${stint.url}/runs/${run.runId}/diff`, undefined, { accept: 'text/x-diff' }).then(
      ({ body }) => body,
    )
  const before = await diff()
  assert.match(before, /^\+b$/m)
  return { url: stint.url, before, diff }
}
