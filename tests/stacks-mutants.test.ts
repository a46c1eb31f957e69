/** Would the rules notice? Each entry is one edit of the stacks, and the rule that must break by it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planFor } from '../stacks/plan.ts'
import { broken, skipStacks, synth } from './support/stacks.ts'
import { tempFolder } from './support/world.ts'

type Mutant = [what: string, file: string, from: string, to: string, caughtBy: RegExp]
const MUTANTS: Mutant[] = [
  ['no dead letters', 'queue', 'dlq: { queue: dead.arn, retry: worker.receivesMax },', '', /queue of wake-ups/],
  ['another count of deliveries', 'plan', 'receivesMax: 8', 'receivesMax: 3', /queue of wake-ups/],
  [
    'a FIFO queue',
    'queue',
    "new sst.aws.Queue('Wakes', {",
    "new sst.aws.Queue('Wakes', { fifo: true,",
    /queue of wake-ups/,
  ],
  ['visible while worked on', 'plan', 'LAMBDA_S_MAX + 60', '300', /times fit/],
  [
    'a sandbox that ends before its command',
    'plan',
    'sandbox: { memoryMb: 2048, timeoutS: COMMAND_S_MAX + 120',
    'sandbox: { memoryMb: 2048, timeoutS: 300',
    /times fit/,
  ],
  [
    "API Gateway's own 29 seconds",
    'api',
    'integration: { timeoutMilliseconds: plan.api.timeoutS * 1000 },',
    '',
    /times fit/,
  ],
  [
    'ten runs in one invocation',
    'worker',
    'batch: { size: 1, partialResponses: true },\n    transform: {\n      eventSourceMapping: (mapping) => {\n        // No',
    'batch: { size: 10, partialResponses: true },\n    transform: {\n      eventSourceMapping: (mapping) => {\n        // No',
    /one run in each/,
  ],
  [
    'more deliveries than places',
    'worker',
    'maximumConcurrency: plan.worker.reserved',
    'maximumConcurrency: 1000',
    /one run in each/,
  ],
  ["AWS's guard against loops is on", 'worker', "  mayRecur('worker', worker)\n", '', /may recur/],
  ['x86', 'handler', "architecture: 'arm64'", "architecture: 'x86_64'", /arm64/],
  ['no bound on the sandbox', 'sandbox', 'reservedConcurrentExecutions: size.reserved,', '', /arm64/],
  ['the wrong entry', 'schedule', "entry: 'cron'", "entry: 'worker'", /arm64/],
  ['runs share a sandbox', 'sandbox', "tenancyConfig: { tenantIsolationMode: 'PER_TENANT' },", '', /sandbox is apart/],
  [
    'a sandbox outside the closed network',
    'sandbox',
    'vpcConfig: { subnetIds: network.subnets.map(({ id }) => id), securityGroupIds: [network.group.id] },',
    '',
    /sandbox is apart/,
  ],
  [
    'a way to the internet',
    'sandbox',
    "new aws.ec2.RouteTable('ClosedRoutes', { vpcId: vpc.id, routes: [] })",
    "new aws.ec2.RouteTable('ClosedRoutes', { vpcId: vpc.id, routes: [{ cidrBlock: '0.0.0.0/0', gatewayId: new aws.ec2.InternetGateway('Out', { vpcId: vpc.id }).id }] })",
    /sandbox is apart/,
  ],
  [
    'egress to anywhere',
    'sandbox',
    'prefixListIds: [door.prefixListId] }]',
    "cidrBlocks: ['0.0.0.0/0'] }]",
    /sandbox is apart/,
  ],
  ['a door to every bucket', 'sandbox', 'Resource: [objects],', "Resource: ['*'],", /one door/],
  [
    'code inside may use the role',
    'sandbox',
    'identity(part, plan, rights, [nothing(part)])',
    'identity(part, plan, rights)',
    /code inside cannot use/,
  ],
  [
    'a secret in the sandbox',
    'sandbox',
    "variables: { STINT_HOME: '/tmp/stint', STINT_PART: part }",
    "variables: { STINT_HOME: '/tmp/stint', STINT_PART: part, GROQ_API_KEY: process.env.SST_SECRET_GroqApiKey ?? '' }",
    /its own secrets/,
  ],
  ['the timer gets the keys', 'secrets', '  timer: STORE,', "  timer: [...STORE, 'ApiKeyHashes'],", /its own secrets/],
  [
    'the worker loses the store',
    'secrets',
    "worker: [...STORE, 'GroqApiKey'",
    "worker: ['GroqApiKey'",
    /its own secrets/,
  ],
  [
    "SST's link, which grants sqs:*",
    'handler',
    '    streaming,\n',
    "    streaming,\n    link: [new sst.aws.Queue('Another')],\n",
    /its own secrets/,
  ],
  ['every action of the queue', 'queue', "actions: ['sqs:SendMessage']", "actions: ['sqs:*']", /star/],
  ['any bucket', 'storage', '[{ actions, resources: [objects] }]', "[{ actions, resources: ['*'] }]", /star/],
  [
    'the burial may call the sandbox',
    'worker',
    '[...queue.take(queue.dead), ...queue.send]',
    '[...queue.take(queue.dead), ...queue.send, ...boxes.askSandbox]',
    /may do what it does/,
  ],
  ["SST's own role", 'handler', '    role: role.arn,\n', '', /star|role for each|taken on/],
  [
    'anybody in AWS may take on a role',
    'handler',
    "Principal: { Service: 'lambda.amazonaws.com' }",
    "Principal: { AWS: '*' }",
    /taken on/,
  ],
  ['answers in one piece', 'api', 'fn.arn, {\n    streaming: true,', 'fn.arn, {\n    streaming: false,', /API streams/],
  ['a CDN that caches answers', 'console', 'cachePolicyId: NOT_CACHED', 'cachePolicyId: CACHED', /one address/],
  ['a console without its policy', 'console', "default-src 'none'; ", '', /one address/],
  [
    "any account's CDN reads the console",
    'console',
    '    policy: [',
    "    access: 'cloudfront' as const,\n    policy: [",
    /star|may not/,
  ],
  [
    'production forgets snapshots',
    'plan',
    '...(production ? {} : { expireAfterDays: 90 })',
    'expireAfterDays: 90',
    /buckets/,
  ],
  ['a timer every hour', 'schedule', 'rate(1 minute)', 'rate(1 hour)', /every minute/],
  ['logs for ever', 'handler', '    retentionInDays: logDays,\n', '', /every log/],
  ['nobody watches the dead letters', 'alarm-table', "    of: 'dead',\n", "    of: 'wakes',\n", /alarms/],
  ['alarms that tell nobody', 'alarms', 'alarmActions: [topic.arn]', 'alarmActions: []', /alarms/],
  ['an alarm without a runbook', 'alarm-table', "name: 'carrier-errors'", "name: 'carrier-faults'", /alarms/],
]
/** The stage in which the edit shows. */
const stageOf = ([what]: Mutant) => (what.startsWith('production') ? 'production' : 'test')
const AT_ONCE = 2

test('stacks: every edit that does harm breaks the rule that is for it', {
  skip: skipStacks,
  timeout: 900_000,
}, async (t) => {
  // Pulumi's code is compiled once for all of them.
  const env = { NODE_COMPILE_CACHE: tempFolder(t) }
  const waiting = [...MUTANTS]
  const missed: string[] = []
  const work = async () => {
    for (let mutant = waiting.shift(); mutant; mutant = waiting.shift()) {
      const [what, file, from, to, caughtBy] = mutant
      const stage = stageOf(mutant)
      const made = await synth(t, stage, { edit: { file: `stacks/${file}.ts`, from, to }, env })
      const rules = broken({ ...made, plan: planFor(stage) })
      if (!Object.keys(rules).some((name) => caughtBy.test(name))) missed.push(`${what}: ${JSON.stringify(rules)}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  assert.deepEqual(missed, [])
  assert.ok(MUTANTS.length >= 15)
})
