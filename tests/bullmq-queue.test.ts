import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { Redis } from 'ioredis'
import { type BullmqOptions, bullmqQueue } from '../functions/adapters/bullmq-queue.ts'
import { systemClock } from '../functions/adapters/system.ts'
import type { Wake, Work } from '../functions/ports.ts'
import { type Context, queueContract } from './contract/queue.ts'
import { ownPrefix, REDIS_URL, redisMissing } from './support/redis.ts'
import { pause, ROOT, until } from './support/world.ts'

const FAST = { attemptsMax: 3, retryMsFirst: 10, laterMs: 30 }
const skip = redisMissing ? { skip: redisMissing } : {}
const IDLE: Work = { handle: async () => 'done', bury: async () => {}, due: async () => [] }

function open(t: Context, prefix: string, work?: Partial<Work>, options: Partial<BullmqOptions> = {}) {
  const queue = bullmqQueue({ url: REDIS_URL, prefix, atOnceMax: 8, onError: () => {}, ...options }, systemClock)
  if (work) queue.start({ ...IDLE, ...work })
  t.after(() => queue.stop())
  return queue
}
async function inRedis<T>(ask: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(REDIS_URL)
  try {
    return await ask(client)
  } finally {
    client.disconnect()
  }
}

queueContract('queue in Redis', async (t, work, fast) => open(t, ownPrefix(t), work, fast ? FAST : {}), redisMissing)

test('queue in Redis: a run is worked on once at a time, and never more runs than allowed', skip, async (t) => {
  const now = new Map<string, number>()
  let [most, done, twice] = [0, 0, 0]
  const handle = async ({ runId }: Wake) => {
    now.set(runId, (now.get(runId) ?? 0) + 1)
    if ((now.get(runId) ?? 0) > 1) twice++
    most = Math.max(most, [...now.values()].filter((count) => count > 0).length)
    await pause(20)
    now.set(runId, (now.get(runId) ?? 0) - 1)
    done++
    return 'done' as const
  }
  const queue = open(t, ownPrefix(t), { handle }, { atOnceMax: 3 })
  for (let i = 0; i < 40; i++) await queue.send({ runId: `run_${i % 5}`, step: i }, 0)
  await until('enough', () => done >= 15)
  assert.equal(twice, 0)
  assert.ok(most <= 3, `${most} at once`)
})

test('queue in Redis: nothing stays behind but a bounded number of what was given up', skip, async (t) => {
  const prefix = ownPrefix(t)
  let seen = 0
  const handle = async ({ runId }: Wake) => {
    seen++
    if (runId === 'run_bad') throw new Error('boom')
    return 'done' as const
  }
  const buried: string[] = []
  const bury = async (_wake: Wake, why: string) => void buried.push(why)
  const queue = open(t, prefix, { handle, bury }, FAST)
  const keys = async () => inRedis((client) => client.keys(`${prefix}queue:wakes:*`))
  for (let i = 0; i < 300; i++) await queue.send({ runId: `run_${i}`, step: 0 }, 0)
  await until('all', () => seen === 300)
  await until('no jobs', async () => !(await keys()).some((key) => /:\d+$/.test(key)))
  assert.ok((await inRedis((client) => client.xlen(`${prefix}queue:wakes:events`))) < 500)
  await queue.send({ runId: 'run_bad', step: 0 }, 0)
  await until('the burial', () => buried.length === 1)
  assert.deepEqual(buried, ['boom'])
  await until(
    'its place among the failed',
    async () => (await inRedis((client) => client.zcard(`${prefix}queue:wakes:failed`))) === 1,
  )
})

test('queue in Redis: runs that are due are sent for', skip, async (t) => {
  const seen: Wake[] = []
  const asked: number[] = []
  const due = async (againMs: number) => {
    asked.push(againMs)
    return asked.length === 1 ? [{ runId: 'run_due', step: 3 }] : []
  }
  const handle = async (wake: Wake) => {
    seen.push(wake)
    return 'done' as const
  }
  open(t, ownPrefix(t), { handle, due })
  await until('the run', () => seen.length > 0)
  assert.deepEqual(seen, [{ runId: 'run_due', step: 3 }])
  assert.ok((asked[0] ?? 0) >= 10_000, 'not to be named again at once')
})

test('queue in Redis: stopping waits for the stint under way, which still hands over', skip, async (t) => {
  const prefix = ownPrefix(t)
  let begun = false
  const queue = open(t, prefix, {
    async handle({ step = 0 }) {
      begun = true
      await pause(200)
      await queue.send({ runId: 'run_1', step: step + 1 }, 0)
      return 'done'
    },
  })
  await queue.send({ runId: 'run_1', step: 0 }, 0)
  await until('the stint', () => begun)
  await queue.stop()
  const seen: Wake[] = []
  open(t, prefix, {
    async handle(wake) {
      seen.push(wake)
      return 'done'
    },
  })
  await until('the next stint', () => seen.length > 0)
  assert.deepEqual(seen, [{ runId: 'run_1', step: 1 }])
})

/** Takes a wake-up, says so, and never comes back. */
const TAKER = `
const [bullmq, system, url, prefix] = process.argv.slice(1)
const { bullmqQueue } = await import(bullmq)
const { systemClock } = await import(system)
const queue = bullmqQueue({ url, prefix, atOnceMax: 1, onError: () => {}, lockMs: 400 }, systemClock)
queue.start({
  async handle() {
    process.stdout.write('taken')
    await new Promise(() => setInterval(() => {}, 1000))
  },
  bury: async () => {},
  due: async () => [],
})`

async function taker(t: Context, prefix: string): Promise<() => void> {
  const files = ['bullmq-queue.ts', 'system.ts'].map((name) => `${ROOT}functions/adapters/${name}`)
  const args = [
    '--disable-warning=ExperimentalWarning',
    '--input-type=module',
    '-e',
    TAKER,
    ...files,
    REDIS_URL,
    prefix,
  ]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  let output = ''
  child.stdout.on('data', (part: Buffer) => (output += part))
  await until('the worker to take it', () => output.includes('taken'))
  return () => void child.kill('SIGKILL')
}

test('queue in Redis: a wake-up whose worker is killed goes to another one', skip, async (t) => {
  const prefix = ownPrefix(t)
  await open(t, prefix).send({ runId: 'run_1', step: 4 }, 0)
  const kill = await taker(t, prefix)
  const seen: Wake[] = []
  const handle = async (wake: Wake) => {
    seen.push(wake)
    return 'done' as const
  }
  open(t, prefix, { handle }, { lockMs: 400 })
  await pause(1500)
  assert.deepEqual(seen, [], 'as long as that worker lives, the wake-up is its own')
  kill()
  await until('the wake-up', () => seen.length > 0)
  assert.deepEqual(seen, [{ runId: 'run_1', step: 4 }])
})

test('queue in Redis: a wake-up that kills every worker is given up', skip, async (t) => {
  const prefix = ownPrefix(t)
  await open(t, prefix).send({ runId: 'run_1', step: 4 }, 0)
  for (let i = 0; i < 2; i++) {
    const kill = await taker(t, prefix)
    kill()
  }
  const buried: { wake: Wake; why: string }[] = []
  let handled = 0
  open(
    t,
    prefix,
    {
      async handle() {
        handled++
        return 'done'
      },
      bury: async (wake, why) => void buried.push({ wake, why }),
    },
    { lockMs: 400, attemptsMax: 2 },
  )
  await until('the burial', () => buried.length > 0)
  assert.deepEqual(buried[0]?.wake, { runId: 'run_1', step: 4 })
  assert.match(buried[0]?.why ?? '', /died/)
  assert.equal(handled, 0)
})

/** A way to Redis that can be cut and mended. */
async function bridge(t: Context) {
  const sockets = new Set<Socket>()
  let up = true
  const { hostname, port } = new URL(REDIS_URL)
  const server = createServer((near) => {
    if (!up) return void near.destroy()
    const far = connect(Number(port || 6379), hostname)
    for (const [one, other] of [[near, far] as const, [far, near] as const]) {
      sockets.add(one)
      one.on('error', () => {}).on('close', () => other.destroy())
      one.pipe(other)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = () => {
    up = false
    for (const socket of sockets) socket.destroy()
    sockets.clear()
  }
  t.after(() => {
    cut()
    server.close()
  })
  const mend = () => {
    up = true
  }
  return { url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`, cut, mend }
}

test('queue in Redis: after the network was cut the worker goes on, and its stint is answered for', skip, async (t) => {
  const prefix = ownPrefix(t)
  const { url, cut, mend } = await bridge(t)
  const seen: Wake[] = []
  let release = () => {}
  const handle = async (wake: Wake) => {
    seen.push(wake)
    if (wake.runId === 'run_held')
      await new Promise<void>((resolve) => {
        release = resolve
      })
    return 'done' as const
  }
  const queue = open(t, prefix, { handle }, { url, lockMs: 3000 })
  await queue.send({ runId: 'run_held', step: 1 }, 0)
  await until('the held one', () => seen.length === 1)
  cut()
  await assert.rejects(queue.send({ runId: 'run_x', step: 1 }, 0))
  release()
  await pause(300)
  mend()
  await queue.send({ runId: 'run_after', step: 1 }, 0)
  await until('the next one', () => seen.some(({ runId }) => runId === 'run_after'))
  const sender = open(t, prefix)
  await sender.send({ runId: 'run_late', step: 1 }, 0)
  await until('one from elsewhere', () => seen.some(({ runId }) => runId === 'run_late'))
})

test('queue in Redis: a send says soon that Redis is away', skip, async (t) => {
  const queue = bullmqQueue({ url: 'redis://127.0.0.1:9', prefix: 'x:', atOnceMax: 1, onError: () => {} }, systemClock)
  t.after(() => Promise.race([queue.stop(), pause(500)]))
  const started = performance.now()
  await assert.rejects(queue.send({ runId: 'run_1', step: 0 }, 0))
  assert.ok(performance.now() - started < 5000)
})
