import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { MUTANTS } from './simulation/mutants.ts'
import { redisMissing } from './support/redis.ts'
import { ROOT } from './support/world.ts'

/** The command line of the simulation, as `npm run simulate --` calls it. */
async function simulate(...args: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', join(ROOT, 'tests/simulation/main.ts'), ...args],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, output }
}

test('a hundred worlds on the embedded store, nothing lost and nothing twice', async () => {
  const { code, output } = await simulate('--seeds', '100')
  assert.equal(code, 0, output)
  assert.match(output, /^sqlite: 100 seeds, .* 0 violations/m)
})

test('twenty worlds on Redis', redisMissing ? { skip: redisMissing } : {}, async () => {
  const { code, output } = await simulate('--seeds', '20', '--store', 'redis')
  assert.equal(code, 0, output)
})

test('a seed replays, byte for byte', async () => {
  const [one, two] = await Promise.all([simulate('--seed', '7'), simulate('--seed', '7')])
  assert.ok(one.output.split('\n').length > 300)
  assert.equal(one.output, two.output)
})

test('mutants are listed by name, and nothing else is', async () => {
  const { code, output } = await simulate('--list-mutants')
  assert.equal(code, 0)
  assert.deepEqual(output.trim().split('\n'), Object.keys(MUTANTS))
  assert.equal((await simulate('--seeds', '1', '--mutant', 'no-such-guard')).code, 2)
})

for (const [name, { removes }] of Object.entries(MUTANTS))
  test(`it is noticed when this does not hold any more: ${removes} (${name})`, async () => {
    const { code, output } = await simulate('--seeds', '200', '--mutant', name)
    assert.equal(code, 1, output)
    assert.match(output, /^seed \d+ on sqlite: \S+ violated: /m)
    assert.match(output, new RegExp(`^replay: npm run simulate -- --seed \\d+ --store sqlite --mutant ${name}$`, 'm'))
  })
