/** What holds of the stacks, as rules over the resources that SST's components made of them. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { STINT_TAIL_MS, STREAM_TAIL_MS, WAKE_ATTEMPTS_MAX } from '../../functions/core/limits.ts'
import { COMMAND_SECONDS_MAX } from '../../sandbox-runner/limits.ts'
import type { Plan } from '../../stacks/plan.ts'
import type { Edit, Resource, Synth } from './synth.ts'
import { ROOT, tempFolder } from './world.ts'

/** Nothing can be executed where SST's sources are not installed. */
export const skipStacks: string | false =
  !existsSync(join(ROOT, '.sst/platform/src/components')) &&
  process.env.STINT_TEST_REQUIRE !== 'all' &&
  'SST is not installed here: npm run check:stacks installs it (320 MB)'

const DIGEST = `sha256:${'a'.repeat(64)}`
const ENV = {
  SANDBOX_IMAGE_URI: `000000000000.dkr.ecr.us-east-1.amazonaws.com/stint-sandbox@${DIGEST}`,
  SST_SECRET_UpstashRedisRestUrl: 'https://secret-1.upstash.io',
  SST_SECRET_UpstashRedisRestToken: 'secret-2',
  SST_SECRET_ApiKeyHashes: 'secret-3',
  SST_SECRET_GroqApiKey: 'secret-4',
  SST_SECRET_DatabaseUrl: 'secret-5',
  SST_SECRET_WebhookSecret: 'secret-6',
  SST_SECRET_GithubAppId: 'secret-7',
  SST_SECRET_GithubAppPrivateKey: 'secret-8',
  SST_SECRET_GithubToken: 'secret-9',
}

/** Executes the stacks, with one place of their source changed if that is asked for. */
export async function synth(
  t: Parameters<typeof tempFolder>[0],
  stage: string,
  { edit, env = {} }: { edit?: Edit; env?: Record<string, string> } = {},
): Promise<Synth> {
  const folder = tempFolder(t)
  const bundles = join(folder, 'bundle')
  mkdirSync(bundles)
  writeFileSync(join(bundles, 'index.mjs'), '')
  const out = join(folder, 'synth.json')
  const asked = JSON.stringify({ stage, edit, bundles, env: { ...ENV, ...env } })
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', join(ROOT, 'tests/support/synth.ts'), out, asked],
    { stdio: 'ignore', env: { ...process.env, ...env } },
  )
  await new Promise((resolve) => child.once('exit', resolve))
  assert.ok(existsSync(out), 'the stacks ran to an end')
  return JSON.parse(readFileSync(out, 'utf8')) as Synth
}

type Inputs = Record<string, unknown>
type Statement = { Effect: string; Action: string[]; Resource: string[]; Condition?: Inputs; Principal?: unknown }
export type Rule = (made: Made) => void
export type Made = Synth & { plan: Plan }

const all = ({ resources }: Synth, type: string): Resource[] => resources.filter((one) => one.type === type)
function one(synth: Synth, type: string, name: string): Inputs {
  const found = all(synth, type).find((resource) => resource.name === name)
  assert.ok(found, `there is no ${type} ${name}`)
  return found.inputs
}
const functions = (synth: Synth): Inputs[] => all(synth, 'aws:lambda/function:Function').map(({ inputs }) => inputs)
/** By the last word of its name. */
function fn(synth: Synth, part: string): Inputs {
  const found = functions(synth).find(({ name }) => String(name).endsWith(`-${part}`))
  assert.ok(found, `there is no function ${part}`)
  return found
}
const environment = (of: Inputs): Record<string, string> =>
  (of.environment as { variables?: Record<string, string> })?.variables ?? {}
const queue = (synth: Synth, name: string): Inputs => one(synth, 'aws:sqs/queue:Queue', `${name}Queue`)
const mappings = (synth: Synth): Inputs[] =>
  all(synth, 'aws:lambda/eventSourceMapping:EventSourceMapping').map(({ inputs }) => inputs)
const mapped = (synth: Synth, part: string): Inputs => {
  const found = mappings(synth).find(({ functionName }) => String(functionName).endsWith(`-${part}`))
  assert.ok(found, `nothing feeds ${part}`)
  return found
}
const statementsOf = (policy: unknown): Statement[] =>
  (JSON.parse(String(policy)) as { Statement: Statement[] }).Statement.map((statement) => ({
    ...statement,
    Action: [statement.Action].flat(),
    Resource: [statement.Resource].flat(),
  }))
const rolePolicies = ({ inputs }: Resource): Statement[] =>
  ((inputs.inlinePolicies ?? []) as { policy: string }[]).flatMap(({ policy }) => statementsOf(policy))
const role = (synth: Synth, part: string): Statement[] => {
  const found = all(synth, 'aws:iam/role:Role').find(({ name }) => name === `${part}-role`)
  assert.ok(found, `there is no role of ${part}`)
  return rolePolicies(found)
}
/** "action on resource", without account and numbers, sorted. */
const rights = (synth: Synth, part: string): string[] =>
  role(synth, part)
    .filter(({ Effect }) => Effect === 'Allow')
    .flatMap(({ Action, Resource }) =>
      Resource.flatMap((to) => Action.map((action) => `${action} ${short(to, synth)}`)),
    )
    .sort()
const short = (arn: string, synth: Synth): string =>
  all(synth, 'aws:sqs/queue:Queue')
    .reduce((text, { name, inputs }) => text.replace(String(inputs.name), name), arn)
    .replace(/^arn:aws:[a-z0-9]*:[a-z0-9-]*:\d*:/, '')
    .replace(/stint-[a-z]+-(?=\w+$|\w+:\*)/, '')

const HANDLERS = ['api', 'worker', 'burial', 'timer']
const BOXES = ['sandbox', 'carrier']
const LOG = (part: string) => [
  `logs:CreateLogStream log-group:/aws/lambda/${part}:*`,
  `logs:PutLogEvents log-group:/aws/lambda/${part}:*`,
]
const SEND = ['sqs:SendMessage WakesQueue']
const TAKE = (name: string) =>
  ['ChangeMessageVisibility', 'DeleteMessage', 'GetQueueAttributes', 'ReceiveMessage'].map(
    (action) => `sqs:${action} ${name}`,
  )
const OBJECTS = 'snapshotsbucket/snapshots/*'
const LIST = 's3:ListBucket snapshotsbucket'
const USE = [LIST, ...['s3:DeleteObject', 's3:GetObject', 's3:PutObject'].map((action) => `${action} ${OBJECTS}`)]
const ASK = (...parts: string[]) => parts.map((part) => `lambda:InvokeFunction function:${part}`)
const STORE = ['DATABASE_URL', 'UPSTASH_REDIS_REST_TOKEN', 'UPSTASH_REDIS_REST_URL']
const GITHUB = ['GITHUB_APP_ID', 'GITHUB_APP_PRIVATE_KEY', 'GITHUB_TOKEN']
const SECRETS: Record<string, string[]> = {
  api: [...STORE, ...GITHUB, 'GROQ_API_KEY', 'STINT_API_KEY_HASHES', 'STINT_WEBHOOK_SECRET'],
  worker: [...STORE, ...GITHUB, 'GROQ_API_KEY', 'STINT_WEBHOOK_SECRET'],
  burial: STORE,
  timer: STORE,
  sandbox: [],
  carrier: [],
}

export const RULES: Record<string, Rule> = {
  'nothing failed, and nothing is there twice': ({ failures, resources }) => {
    assert.deepEqual(failures, [])
    const names = resources.map(({ type, name }) => `${type} ${name}`)
    assert.deepEqual([...new Set(names)], names)
  },

  'the queue of wake-ups is standard, encrypted, and gives up into another': (made) => {
    const wakes = queue(made, 'Wakes')
    const dead = queue(made, 'DeadWakes')
    const redrive = JSON.parse(String(wakes.redrivePolicy)) as { deadLetterTargetArn: string; maxReceiveCount: number }
    assert.ok(redrive.deadLetterTargetArn.endsWith(String(dead.name)))
    assert.equal(redrive.maxReceiveCount, WAKE_ATTEMPTS_MAX, 'the engine counts to the same number')
    assert.equal(dead.redrivePolicy, undefined)
    for (const one of [wakes, dead]) assert.deepEqual([one.fifoQueue, one.sqsManagedSseEnabled], [false, true])
    assert.ok(Number(dead.messageRetentionSeconds) > Number(wakes.messageRetentionSeconds))
  },

  'times fit each other': (made) => {
    const timeout = (part: string) => Number(fn(made, part).timeout)
    const command = COMMAND_SECONDS_MAX
    for (const part of BOXES) assert.ok(timeout(part) >= command + 60, `${part}: a command may take ${command} s`)
    assert.ok(timeout('worker') > timeout('sandbox'), 'who asks waits longer than who answers')
    assert.ok(timeout('worker') * 1000 > STINT_TAIL_MS * 2, 'a stint has time for itself')
    assert.ok(Number(queue(made, 'Wakes').visibilityTimeoutSeconds) > timeout('worker'))
    assert.ok(Number(queue(made, 'DeadWakes').visibilityTimeoutSeconds) > timeout('burial'))
    assert.ok(timeout('timer') < 60, 'one look ends before the next begins')
    const integration = all(made, 'aws:apigateway/integration:Integration')[0]?.inputs
    assert.equal(integration?.timeoutMilliseconds, timeout('api') * 1000)
    assert.ok(timeout('api') * 1000 > 30_000 + STREAM_TAIL_MS)
    for (const one of functions(made)) assert.ok(Number(one.timeout) <= 900, 'Lambda allows no more')
  },

  'one run in each invocation, no more of them than the function may have': (made) => {
    for (const part of ['worker', 'burial']) {
      const { batchSize, functionResponseTypes, scalingConfig } = mapped(made, part) as Inputs
      assert.deepEqual([batchSize, functionResponseTypes], [1, ['ReportBatchItemFailures']])
      const { maximumConcurrency } = scalingConfig as { maximumConcurrency: number }
      assert.ok(maximumConcurrency >= 2 && maximumConcurrency <= Number(fn(made, part).reservedConcurrentExecutions))
    }
    assert.match(String(mapped(made, 'worker').eventSourceArn), /-WakesQueue-/)
    assert.match(String(mapped(made, 'burial').eventSourceArn), /DeadWakesQueue-/)
  },

  'whoever is fed by a queue and sends to one may recur': (made) => {
    const allowed = all(made, 'aws:lambda/functionRecursionConfig:FunctionRecursionConfig')
      .filter(({ inputs }) => inputs.recursiveLoop === 'Allow')
      .map(({ inputs }) => String(inputs.functionName))
    const loop = mappings(made).map(({ functionName }) => String(functionName).split(':').at(-1))
    assert.deepEqual(allowed.sort(), loop.sort())
  },

  'every function is arm64 on Node 24, bounded, and starts an entry that is built': (made) => {
    assert.equal(functions(made).length, 6)
    for (const one of functions(made)) {
      assert.deepEqual(one.architectures, ['arm64'], String(one.name))
      assert.ok(Number(one.reservedConcurrentExecutions) > 0, `${one.name} has a bound`)
      assert.ok(Number(one.memorySize) >= 256)
      if (one.packageType !== 'Image') assert.equal(one.runtime, 'nodejs24.x')
    }
    assert.deepEqual(made.built.map(({ bundle, handler }) => `${bundle} ${handler}`).sort(), [
      'dist/api index.handler',
      'dist/cron index.handler',
      'dist/worker index.deadLetters',
      'dist/worker index.handler',
    ])
  },

  'the sandbox is apart: an environment per run, no way out, nothing that is secret': (made) => {
    const sandbox = fn(made, 'sandbox')
    assert.deepEqual(sandbox.tenancyConfig, { tenantIsolationMode: 'PER_TENANT' })
    const { subnetIds = [], securityGroupIds = [] } = (sandbox.vpcConfig ?? {}) as Record<string, string[]>
    assert.deepEqual([subnetIds.length, securityGroupIds], [2, ['ClosedGroup-id']])
    const open = /internetGateway|natGateway|egressOnly|:Route$|vpcPeering|transitGateway|Eip:|FunctionUrl/i
    assert.deepEqual(
      made.resources.filter(({ type }) => open.test(type)).map(({ type, name }) => `${type} ${name}`),
      [],
    )
    assert.deepEqual(one(made, 'aws:ec2/routeTable:RouteTable', 'ClosedRoutes').routes, [])
    const group = one(made, 'aws:ec2/securityGroup:SecurityGroup', 'ClosedGroup')
    assert.deepEqual(group.ingress, [])
    assert.deepEqual(group.egress, [{ protocol: 'tcp', fromPort: 443, toPort: 443, prefixListIds: ['pl-s3'] }])
    for (const subnet of all(made, 'aws:ec2/subnet:Subnet')) assert.equal(subnet.inputs.mapPublicIpOnLaunch, false)
    for (const source of mappings(made)) assert.doesNotMatch(String(source.functionName), /sandbox|carrier/)
  },

  'the one door of the closed network leads to our objects alone': (made) => {
    const doors = all(made, 'aws:ec2/vpcEndpoint:VpcEndpoint')
    assert.equal(doors.length, 1)
    const { policy, vpcEndpointType } = (doors[0]?.inputs ?? {}) as Inputs
    assert.equal(vpcEndpointType, 'Gateway')
    const statements = statementsOf(policy)
    assert.deepEqual(
      statements.map(({ Action, Resource }) => [Action, Resource]),
      [[['s3:GetObject', 's3:PutObject'], [`arn:aws:s3:::${OBJECTS}`]]],
    )
    assert.deepEqual(statements[0]?.Condition, { StringEquals: { 'aws:PrincipalAccount': '000000000000' } })
  },

  'sandbox and carrier: an image by its digest, room on disk, a role that code inside cannot use': (made) => {
    for (const part of BOXES) {
      const box = fn(made, part)
      assert.equal(box.packageType, 'Image')
      assert.match(String(box.imageUri), /@sha256:[0-9a-f]{64}$/)
      assert.ok((box.ephemeralStorage as { size: number }).size >= 8192, 'a workspace may have 4 GiB')
      const denied = role(made, part).filter(({ Effect }) => Effect === 'Deny')
      const arn = `arn:aws:lambda:us-east-1:000000000000:function:${box.name}`
      assert.deepEqual(denied, [
        {
          Effect: 'Deny',
          Action: ['*'],
          Resource: ['*'],
          Condition: { ArnEquals: { 'lambda:SourceFunctionArn': arn } },
        },
      ])
    }
    assert.equal(fn(made, 'carrier').vpcConfig, undefined, 'the carrier reaches the outside')
    assert.equal(fn(made, 'carrier').tenancyConfig, undefined)
  },

  'each function gets its own secrets and no other': (made) => {
    const variableOf = (value: string) => /^(https:\/\/)?secret-\d/.test(value)
    for (const [part, expected] of Object.entries(SECRETS)) {
      const found = Object.entries(environment(fn(made, part))).filter(([, value]) => variableOf(value))
      assert.deepEqual(found.map(([name]) => name).sort(), [...expected].sort(), part)
    }
    for (const { links, functionID } of made.built) assert.deepEqual(links, {}, `${functionID} is linked to nothing`)
  },

  'each function finds the others': (made) => {
    for (const part of HANDLERS) {
      const {
        SQS_QUEUE_URL = '',
        SANDBOX_FUNCTION,
        CARRIER_FUNCTION,
        SNAPSHOT_BUCKET,
        STINT_HOME,
      } = environment(fn(made, part))
      assert.match(SQS_QUEUE_URL, /^https:\/\/sqs\.us-east-1\.amazonaws\.com\/000000000000\/stint-\w+-WakesQueue-/)
      assert.deepEqual([SANDBOX_FUNCTION, CARRIER_FUNCTION], [fn(made, 'sandbox').name, fn(made, 'carrier').name])
      assert.equal(SNAPSHOT_BUCKET, 's3://snapshotsbucket/snapshots')
      assert.match(STINT_HOME ?? '', /^\/tmp\//, 'all else cannot be written')
    }
  },

  'each function may do what it does, and that alone': (made) => {
    const expected: Record<string, string[]> = {
      api: [...LOG('api'), ...SEND, ...ASK('carrier', 'sandbox'), ...USE],
      worker: [...LOG('worker'), ...SEND, ...TAKE('WakesQueue'), ...ASK('carrier', 'sandbox'), ...USE],
      burial: [...LOG('burial'), ...SEND, ...TAKE('DeadWakesQueue')],
      timer: [
        ...LOG('timer'),
        ...SEND,
        ...ASK('sandbox'),
        LIST,
        `s3:DeleteObject ${OBJECTS}`,
        `s3:PutObject ${OBJECTS}`,
      ],
      carrier: LOG('carrier'),
    }
    for (const [part, may] of Object.entries(expected)) assert.deepEqual(rights(made, part), may.sort(), part)
    const inSandbox = rights(made, 'sandbox').filter((right) => !right.startsWith('ec2:'))
    assert.deepEqual(inSandbox, LOG('sandbox'))
  },

  'no action and no resource is a star': (made) => {
    for (const resource of all(made, 'aws:iam/role:Role')) {
      // SST lets API Gateway write its log with AWS's own policy, once for an account.
      const { managedPolicyArns = [] } = resource.inputs as { managedPolicyArns?: string[] }
      if (resource.name !== 'APIGatewayPushToCloudWatchLogsRole') assert.deepEqual(managedPolicyArns, [], resource.name)
      for (const { Effect, Action, Resource } of rolePolicies(resource)) {
        if (Effect !== 'Allow') continue
        for (const action of Action) assert.match(action, /^[a-z0-9-]+:[A-Za-z]+$/, resource.name)
        // EC2 knows no narrower resource for Describe.
        const looks = Action.every((action) => action.startsWith('ec2:Describe'))
        if (!looks) for (const to of Resource) assert.match(to, /^arn:aws:[a-z0-9]+:[^*]+/, resource.name)
      }
    }
    for (const { inputs, name } of all(made, 'aws:s3/bucketPolicy:BucketPolicy'))
      for (const { Effect, Action, Condition } of statementsOf(inputs.policy))
        if (Effect === 'Allow') {
          assert.deepEqual(Action, ['s3:GetObject'], name)
          assert.match(JSON.stringify(Condition), /aws:SourceAccount.*|.*000000000000/)
        }
  },

  'roles are taken on by the service they are for, and nobody else': (made) => {
    for (const { name, inputs } of all(made, 'aws:iam/role:Role')) {
      const policy =
        typeof inputs.assumeRolePolicy === 'string'
          ? (JSON.parse(inputs.assumeRolePolicy) as { Statement: Inputs[] })
          : (inputs.assumeRolePolicy as { Statement: Inputs[] })
      for (const { Principal } of policy.Statement) {
        const service = name.endsWith('-role') ? 'lambda' : name === 'SweepRole' ? 'scheduler' : 'apigateway'
        assert.deepEqual(Principal, { Service: `${service}.amazonaws.com` }, name)
      }
    }
    const used = functions(made).map((one) => String(one.role).split('/').at(-1))
    assert.equal(new Set(used).size, 6, 'a role for each')
  },

  'the API streams, is throttled, logs no bodies, and has one door': (made) => {
    const integrations = all(made, 'aws:apigateway/integration:Integration')
    assert.equal(integrations.length, 1)
    const { responseTransferMode, uri } = (integrations[0]?.inputs ?? {}) as Inputs
    assert.equal(responseTransferMode, 'STREAM')
    assert.match(String(uri), /2021-11-15.*-api\/response-streaming-invocations$/)
    assert.equal(one(made, 'aws:apigateway/resource:Resource', String(resourceName(made))).pathPart, '{proxy+}')
    const { settings } = one(made, 'aws:apigateway/methodSettings:MethodSettings', 'RestThrottle') as {
      settings: Inputs
    }
    assert.deepEqual(
      [settings.throttlingRateLimit, settings.throttlingBurstLimit, settings.dataTraceEnabled],
      [made.plan.api.ratePerSecond, made.plan.api.burst, false],
    )
    assert.deepEqual(all(made, 'aws:lambda/functionUrl:FunctionUrl'), [])
    for (const { inputs } of all(made, 'aws:lambda/permission:Permission'))
      assert.match(String(inputs.sourceArn), /^arn:aws:execute-api:.*\/\*$/)
  },

  'one address: the CDN has the console and passes the rest on, uncached': (made) => {
    const front = one(made, 'aws:cloudfront/distribution:Distribution', 'Front')
    const pages = front.orderedCacheBehaviors as { pathPattern: string; targetOriginId: string }[]
    const source = readFileSync(join(ROOT, 'functions/adapters/pages.ts'), 'utf8')
    const known = [...source.matchAll(/^ {2}'(\/[\w.]*)': \[/gm)].map(([, path]) => path)
    assert.ok(known.length >= 5)
    assert.deepEqual(pages.map(({ pathPattern }) => pathPattern).sort(), [...known, '/index.html'].sort())
    assert.ok(pages.every(({ targetOriginId }) => targetOriginId === 'console'))
    const { targetOriginId, cachePolicyId, compress, allowedMethods } = front.defaultCacheBehavior as Inputs
    assert.deepEqual([targetOriginId, cachePolicyId, compress], ['api', '4135ea2d-6df8-44a3-9df3-4b5a84be39ad', false])
    assert.ok((allowedMethods as string[]).includes('POST') && (allowedMethods as string[]).includes('DELETE'))
    const policy = /const CONTENT_POLICY =\s*"([^"]+)"/.exec(
      readFileSync(join(ROOT, 'functions/routes/system.ts'), 'utf8'),
    )?.[1]
    const headers = one(made, 'aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy', 'ConsoleHeaders')
    const { contentSecurityPolicy } = headers.securityHeadersConfig as Record<string, Inputs>
    assert.equal(contentSecurityPolicy?.contentSecurityPolicy, policy, 'as the server says it')
    assert.equal(all(made, 'aws:s3/bucketObjectv2:BucketObjectv2').filter(({ name }) => /^Page-/.test(name)).length, 5)
  },

  'buckets: nobody from outside, TLS alone, leftovers removed': (made) => {
    for (const name of ['Snapshots', 'Console']) {
      const block = one(made, 'aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock', `${name}PublicAccessBlock`)
      const { blockPublicAcls, blockPublicPolicy, ignorePublicAcls, restrictPublicBuckets } = block
      assert.deepEqual(
        [blockPublicAcls, blockPublicPolicy, ignorePublicAcls, restrictPublicBuckets],
        Array(4).fill(true),
      )
      const policy = statementsOf(one(made, 'aws:s3/bucketPolicy:BucketPolicy', `${name}Policy`).policy)
      assert.ok(
        policy.some(({ Effect, Condition }) => Effect === 'Deny' && /SecureTransport/.test(JSON.stringify(Condition))),
      )
    }
    const { rules } = one(
      made,
      'aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration',
      'SnapshotsLifecycle',
    ) as {
      rules: Inputs[]
    }
    assert.ok(rules.some(({ abortIncompleteMultipartUpload }) => abortIncompleteMultipartUpload !== undefined))
    const expiry = rules.flatMap(({ expiration }) => (expiration ? [(expiration as { days: number }).days] : []))
    // What production keeps goes with its session and not by its age.
    assert.deepEqual(expiry, made.plan.stage === 'production' ? [] : [made.plan.expireAfterDays])
  },

  'somebody looks every minute': (made) => {
    const { scheduleExpression, state, target } = one(made, 'aws:scheduler/schedule:Schedule', 'SweepSchedule')
    assert.deepEqual([scheduleExpression, state], ['rate(1 minute)', 'ENABLED'])
    const { arn, retryPolicy } = target as { arn: string; retryPolicy: { maximumRetryAttempts: number } }
    assert.match(arn, /-timer$/)
    assert.equal(retryPolicy.maximumRetryAttempts, 0)
  },

  'every log has an end, and a function writes into its own': (made) => {
    for (const { inputs, name } of all(made, 'aws:cloudwatch/logGroup:LogGroup'))
      assert.equal(inputs.retentionInDays, made.plan.logDays, name)
    for (const { name, loggingConfig } of functions(made))
      assert.equal((loggingConfig as { logGroup?: string })?.logGroup, `/aws/lambda/${name}`)
  },

  'alarms: somebody is told, and each has a runbook': (made) => {
    const alarms = all(made, 'aws:cloudwatch/metricAlarm:MetricAlarm').map(({ inputs }) => inputs)
    const watched = (metric: string, of: string) =>
      alarms.some(({ metricName, dimensions }) => metricName === metric && JSON.stringify(dimensions).includes(of))
    for (const part of [...HANDLERS, ...BOXES]) assert.ok(watched('Errors', `-${part}"`), `errors of ${part}`)
    for (const part of ['worker', 'api', 'sandbox']) assert.ok(watched('Throttles', `-${part}"`), part)
    assert.ok(watched('ApproximateNumberOfMessagesVisible', 'DeadWakesQueue'), 'dead letters')
    assert.ok(watched('ApproximateAgeOfOldestMessage', '-WakesQueue'), 'the age of the queue')
    assert.ok(watched('Invocations', '-worker"'), 'a loop that AWS does not end')
    assert.ok(watched('5XXError', 'RestApi'), 'the API')
    for (const alarm of alarms) {
      assert.deepEqual(alarm.alarmActions, [`arn:aws:sns:us-east-1:000000000000:stint-${made.plan.stage}-alerts`])
      const book = /docs\/operations\/[\w-]+\.md$/.exec(String(alarm.alarmDescription))?.[0] ?? ''
      assert.ok(existsSync(join(ROOT, book)), `${alarm.name}: ${book} is missing`)
    }
    const silent = alarms.find(
      ({ metricName, dimensions }) => metricName === 'Invocations' && /timer/.test(JSON.stringify(dimensions)),
    )
    assert.deepEqual([silent?.comparisonOperator, silent?.treatMissingData], ['LessThanThreshold', 'breaching'])
    const age = alarms.find(({ metricName }) => metricName === 'ApproximateAgeOfOldestMessage')
    assert.ok(
      Number(age?.threshold) > Number(queue(made, 'Wakes').visibilityTimeoutSeconds),
      'a long stint is no alarm',
    )
    const board = JSON.parse(String(one(made, 'aws:cloudwatch/dashboard:Dashboard', 'Board').dashboardBody)) as {
      widgets: unknown[]
    }
    assert.equal(board.widgets.length, alarms.length, 'what is watched can be seen')
  },
}

const resourceName = (synth: Synth) => all(synth, 'aws:apigateway/resource:Resource')[0]?.name

/** The rules that do not hold, each with why. */
export function broken(made: Made): Record<string, string> {
  const found: Record<string, string> = {}
  for (const [name, rule] of Object.entries(RULES)) {
    try {
      rule(made)
    } catch (error) {
      found[name] = (error as Error).message
    }
  }
  return found
}
