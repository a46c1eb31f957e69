/**
 * The vendors' own clients beside ours, against the same servers: what stands in for Lambda and Upstash in the tests
 * speaks their protocols as their makers mean them, and our thin clients are understood as theirs are.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import { Redis } from '@upstash/redis'
import { lambdaRunner } from '../functions/adapters/lambda-sandbox.ts'
import { redisUpstash } from '../functions/adapters/redis-upstash.ts'
import { upstashCache } from '../functions/adapters/upstash-cache.ts'
import { fakeLambda, SANDBOX_COMMAND } from './support/lambda.ts'
import { ownPrefix, redisMissing, upstashBridge } from './support/redis.ts'

test('Lambda answers @aws-sdk/client-lambda as it answers ours', async (t) => {
  const { endpoint } = await fakeLambda(t, { command: SANDBOX_COMMAND })
  const keys = { accessKeyId: 'key', secretAccessKey: 'secret' }
  const theirs = new LambdaClient({ endpoint, region: 'eu-west-1', credentials: keys })
  t.after(() => theirs.destroy())
  const ours = lambdaRunner({ ...keys, region: 'eu-west-1', name: 'fake', perTenant: true, endpoint })

  const asked = async (TenantId: string | undefined) =>
    theirs.send(
      new InvokeCommand({
        FunctionName: 'fake',
        Payload: JSON.stringify({ op: 'health', of: 'sandbox' }),
        ...(TenantId ? { TenantId } : {}),
      }),
    )
  const said = await asked('none')
  assert.deepEqual([said.StatusCode, said.FunctionError], [200, undefined])
  const health = (await ours.send({ op: 'health' })) as { ok: boolean; isolation: string }
  assert.equal(health.ok, true)
  const { ok, isolation } = JSON.parse(said.Payload?.transformToString() ?? '')
  assert.deepEqual({ ok, isolation }, { ok: health.ok, isolation: health.isolation })
  await assert.rejects(asked(undefined), /tenant/i, 'who shares nothing names its tenant')
})

test(
  'what @upstash/redis writes ours reads, and the other way round',
  redisMissing ? { skip: redisMissing } : {},
  async (t) => {
    const [prefix, bridge] = [ownPrefix(t), await upstashBridge(t)]
    const theirs = new Redis({
      url: bridge.url,
      token: bridge.token,
      enableTelemetry: false,
      automaticDeserialization: false,
    })
    const ours = redisUpstash(bridge)
    await theirs.set(`${prefix}a`, 'wörd "1"')
    assert.deepEqual(await ours.send([['GET', `${prefix}a`]]), ['wörd "1"'])
    await upstashCache(bridge, prefix).set('k', '[1, 2]', { ttlMs: 60_000, group: 'g' })
    assert.equal(await theirs.get(`${prefix}cache:k`), '[1, 2]')
    const [pushed, all] = await ours.send([
      ['RPUSH', `${prefix}l`, 'x', 'y'],
      ['LRANGE', `${prefix}l`, 0, -1],
    ])
    const [same] = await theirs.pipeline().lrange(`${prefix}l`, 0, -1).exec()
    assert.deepEqual([pushed, all], [2, same])
  },
)
