/** What would be deployed: each function's folder, as `npm run build` makes it, started as Lambda would start it. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { BYTES_MAX, buildEntry, ENTRIES, type Entry } from '../scripts/build.ts'
import { ROOT, tempFolder } from './support/world.ts'

const dist = tempFolder({ after } as never, 'stint-dist-')
const names = Object.keys(ENTRIES) as Entry[]
const built = await Promise.all(names.map((entry) => buildEntry(entry, dist)))
const HASHES = `k1:run:${createHash('sha256').update('sk_stint_test').digest('hex')}`

/** Every file below a folder with its hash. */
const hashes = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .map((path) => [path.slice(folder.length), createHash('sha256').update(readFileSync(path)).digest('hex')])

for (const { entry, folder, bytes, packages } of built)
  test(`bundle ${entry}: within its bound, with the licences of what it holds, and no map`, () => {
    const files = readdirSync(folder)
    const scripts = files.filter((name) => name.endsWith('.mjs'))
    const sum = scripts.reduce((total, name) => total + readFileSync(join(folder, name)).length, 0)
    assert.equal(sum, bytes)
    assert.ok(bytes <= BYTES_MAX[entry], `${bytes} bytes, of ${BYTES_MAX[entry]}`)
    assert.deepEqual(
      files.filter((name) => !scripts.includes(name)),
      ['LICENSES.txt'],
    )
    for (const name of scripts) assert.doesNotMatch(readFileSync(join(folder, name), 'utf8'), /sourceMappingURL/)
    assert.equal(readdirSync(join(dist, 'maps', entry)).length, scripts.length, 'the maps are apart')
    const licences = readFileSync(join(folder, 'LICENSES.txt'), 'utf8')
    assert.match(licences, /^Stint \(Apache-2\.0\)/)
    for (const path of packages) assert.ok(licences.includes(`\n${path.split('node_modules/').at(-1)} `), path)
    assert.ok(!packages.some((path) => /bullmq|ioredis|\/pg$/.test(path)), 'no client of a server that stays')
    for (const name of Object.keys(ENTRIES[entry])) assert.ok(files.includes(`${name}.mjs`))
  })

test('bundles: the same sources give the same bytes', async (t) => {
  const again = tempFolder(t)
  await buildEntry('api', again)
  assert.deepEqual(hashes(join(again, 'api')), hashes(join(dist, 'api')))
  assert.deepEqual(hashes(join(again, 'maps/api')), hashes(join(dist, 'maps/api')))
})

/** Runs a few lines in a process that knows nothing of this one, with `handler` and the rest of a bundle at hand. */
async function inProcess(t: Parameters<typeof tempFolder>[0], entry: Entry, lines: string, env = {}): Promise<unknown> {
  const code = `
    import { invoke, restEvent } from ${JSON.stringify(join(ROOT, 'tests/support/lambda-stream.ts'))}
    const bundle = await import(${JSON.stringify(join(dist, entry, 'index.mjs'))})
    const context = { getRemainingTimeInMillis: () => 300_000 }
    console.log(JSON.stringify(await (async () => { ${lines} })()))
    process.exit()`
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', code],
    {
      env: {
        STINT_HOME: tempFolder(t),
        AWS_LAMBDA_FUNCTION_NAME: 'stint-test',
        AWS_REGION: 'us-east-1',
        AWS_ACCESS_KEY_ID: 'AKIATEST',
        AWS_SECRET_ACCESS_KEY: 'test',
        SQS_QUEUE_URL: 'https://sqs.us-east-1.amazonaws.com/000000000000/wakes',
        LOG_LEVEL: 'silent',
        ...env,
      },
    },
  )
  return JSON.parse(stdout)
}

test('bundle api: starts, streams its answers, and knows its keys', async (t) => {
  const answers = await inProcess(
    t,
    'api',
    `const asked = [{ path: '/health' }, { path: '/openapi.json' }, { path: '/runs' }, { path: '/' }]
     return Promise.all(asked.map(async (one) => (await invoke(bundle.handler, restEvent(one))).status))`,
    { STINT_API_KEY_HASHES: HASHES },
  )
  // The console is not in it: the CDN has that.
  assert.deepEqual(answers, [200, 200, 401, 404])
})

test('bundles worker and cron: start, and find nothing to do', async (t) => {
  const record = `{ messageId: 'm', receiptHandle: 'r', attributes: { ApproximateReceiveCount: '1' }, body: '{"run":"run_0","seq":0}' }`
  const worked = await inProcess(t, 'worker', `return bundle.handler({ Records: [${record}] }, context)`)
  assert.deepEqual(worked, { batchItemFailures: [] })
  const buried = await inProcess(t, 'worker', `return bundle.deadLetters({ Records: [${record}] }, context)`)
  assert.deepEqual(buried, { batchItemFailures: [] })
  assert.deepEqual(await inProcess(t, 'cron', 'return bundle.handler({}, context)'), { woken: 0 })
})

test('bundle worker: a Redis that needs a connection is refused with words', async (t) => {
  const redis = { REDIS_URL: 'redis://127.0.0.1:1' }
  const said = inProcess(t, 'cron', 'return bundle.handler({}, context)', redis)
  await assert.rejects(said, /ioredis is not part of this function: .* set UPSTASH_REDIS_REST_URL/)
})
