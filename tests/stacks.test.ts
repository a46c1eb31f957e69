/** The stacks as AWS would be told of them: SST's real components, executed with mocks in place of an account. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concurrencyOf, planFor } from '../stacks/plan.ts'
import { type Made, RULES, skipStacks, synth } from './support/stacks.ts'

test('stacks: a plan for each stage, and none for a name that AWS would not take', () => {
  assert.deepEqual(planFor('me'), { ...planFor('you'), stage: 'me' })
  assert.ok(planFor('production').worker.reserved > planFor('me').worker.reserved)
  assert.ok(concurrencyOf(planFor('production')) <= 1000, 'an account has 1,000 unless it asked for more')
  for (const name of ['', 'Me', '1st', 'a_b', 'a'.repeat(31)]) assert.throws(() => planFor(name), /the stage ".*" must/)
})

for (const stage of ['test', 'production'])
  test(`stacks: stage ${stage}`, { skip: skipStacks }, async (t) => {
    const made: Made = { ...(await synth(t, stage)), plan: planFor(stage) }
    for (const [name, rule] of Object.entries(RULES)) await t.test(name, () => rule(made))
  })

test('stacks: what is missing stops the deployment with words', { skip: skipStacks }, async (t) => {
  const image = await synth(t, 'test', { env: { SANDBOX_IMAGE_URI: 'stint-sandbox:latest' } })
  assert.match(image.failures.join(), /SANDBOX_IMAGE_URI must be an image in ECR by its digest/)
  const stage = await synth(t, 'No_Stage')
  assert.match(stage.failures.join(), /the stage "No_Stage" must have/)
})
