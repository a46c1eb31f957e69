/** `npm run deploy`, with programs in the place of aws, docker and npm that write down what they are asked. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { alarmsFor } from '../stacks/alarm-table.ts'
import { estimate } from '../stacks/cost.ts'
import { planFor } from '../stacks/plan.ts'
import { ROOT, tempFolder } from './support/world.ts'

const IMAGE = `000000000000.dkr.ecr.us-east-1.amazonaws.com/stint-sandbox@sha256:${'a'.repeat(64)}`
const SECRETS = 'UpstashRedisRestUrl=https://x\nUpstashRedisRestToken=t\nApiKeyHashes=k:run:00'

type Machine = { aws?: string; npm?: string; docker?: string }
const GOOD: Required<Machine> = {
  aws: `case "$*" in
    sts*) echo '{"Account":"000000000000"}';;
    lambda*) echo '{"AccountLimit":{"ConcurrentExecutions":1000}}';;
    *describe-repositories*) exit 254;;
    *get-login-password*) echo hunter2;;
  esac`,
  npm: `case "$*" in *'secret list'*) echo '${SECRETS}';; *deploy*) echo "with $SANDBOX_IMAGE_URI" >> "$LOG";; esac`,
  docker: `if [ "$1" = login ]; then read -r given; [ "$given" = hunter2 ] || exit 1; fi
    while [ $# -gt 0 ]; do [ "$1" = --metadata-file ] && echo '{"containerimage.digest":"sha256:${'b'.repeat(64)}"}' > "$2"; shift; done`,
}

/** Runs a script of ours on such a machine; `asked` is what the programs were asked, in order. */
function onMachine(t: TestContext, machine: Machine, args: string[]) {
  const folder = tempFolder(t)
  const log = join(folder, 'log')
  mkdirSync(join(folder, 'bin'))
  for (const [name, script] of Object.entries(machine)) {
    const path = join(folder, 'bin', name)
    writeFileSync(path, `#!/bin/sh\necho "${name} $*" >> "$LOG"\n${script}\n`)
    chmodSync(path, 0o755)
  }
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    env: {
      PATH: `${join(folder, 'bin')}:${dirname(process.execPath)}:/bin:/usr/bin`,
      LOG: log,
      AWS_REGION: 'us-east-1',
    },
  })
  const asked = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []
  return { status, stdout, stderr, asked }
}
const deploy = (t: TestContext, machine: Machine, ...args: string[]) =>
  onMachine(t, machine, ['scripts/deploy.ts', ...args])

test('deploy: shows what it makes and what that costs, and makes nothing until it is agreed to', (t) => {
  const shown = deploy(t, GOOD, '--stage', 'me', '--image', IMAGE, '--dry-run')
  assert.equal(shown.status, 0, shown.stderr)
  assert.match(shown.stdout, /✓ account +000000000000\n✓ concurrency +1000 at once/)
  assert.match(shown.stdout, /worker +512 MB, up to 900 s, 5 at once/)
  assert.match(shown.stdout, /idle +\d\.\d\d a month; 0\.\d\d where/)
  assert.match(shown.stdout, /1,000 runs +\d+\.\d\d/)
  const unasked = deploy(t, GOOD, '--stage', 'me', '--image', IMAGE)
  assert.equal(unasked.status, 1)
  assert.match(unasked.stderr, /add --yes\. Nothing was made/)
  for (const { asked } of [shown, unasked])
    assert.ok(!asked.some((line) => /deploy|create|build/.test(line)), asked.join())
})

test('deploy: what is missing is named with how to get it, all at once', (t) => {
  const aws = GOOD.aws.replace('1000', '10')
  const npm = `echo 'ApiKeyHashes=k:run:00'`
  const lacking = deploy(t, { aws, npm, docker: 'exit 1' }, '--stage', 'me', '--yes')
  assert.equal(lacking.status, 1)
  assert.match(lacking.stdout, /✗ concurrency +10 at once in us-east-1; this stage needs \d+\n +ask for more/)
  assert.match(
    lacking.stdout,
    /missing: UpstashRedisRestUrl, UpstashRedisRestToken\n +npm run sst -- secret set Upstash/,
  )
  assert.match(lacking.stdout, /✗ docker/)
  assert.match(lacking.stderr, /not ready: .*Nothing was made/)
  const stranger = deploy(
    t,
    { aws: 'echo "Unable to locate credentials" >&2; exit 253', docker: 'true' },
    '--stage',
    'me',
  )
  assert.match(stranger.stdout, /✗ account +Unable to locate credentials\n +install the AWS CLI/)
  assert.match(deploy(t, { docker: 'true' }, '--stage', 'me').stdout, /✗ account +aws is not installed/)
  assert.match(deploy(t, GOOD, '--stage', 'Me').stderr, /the stage "Me" must have/)
  assert.match(deploy(t, GOOD).stderr, /say which stage/)
  assert.match(
    deploy(t, GOOD, '--stage', 'me', '--image', 'stint:latest').stdout,
    /✗ image .*\n +name it by its digest/,
  )
})

test('deploy: builds, then hands SST the image by its digest', (t) => {
  const done = deploy(t, GOOD, '--stage', 'me', '--image', IMAGE, '--yes')
  assert.equal(done.status, 0, done.stderr)
  const steps = done.asked.slice(done.asked.findIndex((line) => /sst -- install/.test(line)))
  assert.deepEqual(steps, ['npm run -s sst -- install', 'npm run -s sst -- deploy --stage me', `with ${IMAGE}`])
  assert.match(done.stdout, /dist\/worker +\d+ kB[\s\S]*stint doctor --server URL/)
})

test('deploy: the image is built for arm64, pushed, and named by its digest', (t) => {
  const lines = `import { pushImage } from ${JSON.stringify(join(ROOT, 'scripts/image.ts'))}
    console.log(pushImage({ account: '000000000000', region: 'us-east-1' }))`
  const { stdout, stderr, asked } = onMachine(t, GOOD, ['--input-type=module', '-e', lines])
  assert.equal(stdout.trim(), IMAGE.replace(/a{64}/, 'b'.repeat(64)), stderr)
  assert.match(asked.join('\n'), /aws ecr create-repository .*stint-sandbox.*IMMUTABLE/)
  assert.match(asked.at(-1) ?? '', /buildx build --platform linux\/arm64 --provenance=false --sbom=false --push/)
  assert.ok(!asked.join().includes('hunter2'), 'the password is no argument')
})

test('deploy: the estimate follows the plan', () => {
  const plan = planFor('me')
  const alarms = alarmsFor(plan).length
  const now = estimate(plan, alarms)
  assert.ok(now.idleFreeUsd < 1, 'idle is about nothing')
  const doubled = estimate({ ...plan, sandbox: { ...plan.sandbox, memoryMb: plan.sandbox.memoryMb * 2 } }, alarms)
  assert.ok(doubled.thousandRunsUsd > now.thousandRunsUsd * 1.3)
  assert.equal(doubled.idleUsd, now.idleUsd, 'what does not run costs the same at any size')
})
