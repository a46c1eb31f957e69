/** Who asked to be told of the end is told: signed, again until it worked, and not at every address. */
import assert from 'node:assert/strict'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { webhooks } from '../functions/adapters/webhook.ts'
import { ask, call, makeRepo, scripted, settled, startStint, tempFolder, until } from './support/world.ts'

const SECRET = `whsec_${Buffer.from('a secret of thirty-two characters').toString('base64')}`
type Received = { headers: IncomingHttpHeaders; body: string }
type Callback = { state: string; tries: number; detail?: string }

/** Somebody who asked to be told; `answer` is the status of each try. */
async function receiver(t: TestContext, answer: (tries: number) => number | 'hang up') {
  const received: Received[] = []
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    received.push({ headers: request.headers, body: Buffer.concat(parts).toString() })
    const status = answer(received.length)
    if (status === 'hang up') return void request.socket.destroy()
    response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end('ok')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?a=1`, received }
}

async function running(t: TestContext, env: Record<string, string> = {}) {
  const model = await scripted(t, [call('write_file', { path: 'b.txt', content: 'b\n' }), { text: 'Wrote it.' }])
  const stint = await startStint(t, { GROQ_BASE_URL: model.url, STINT_WEBHOOK_SECRET: SECRET, ...env })
  const start = async (callbackUrl: string) =>
    (
      await ask<{ runId: string }>('POST', `${stint.url}/execute`, {
        task: 'Write it.',
        repo: { url: makeRepo(t) },
        callbackUrl,
      })
    ).body.runId
  const callbackOf = async (runId: string) =>
    (await ask<{ callback?: Callback }>('GET', `${stint.url}/runs/${runId}`)).body.callback
  return { stint, start, callbackOf }
}

test('the end of a run is told once, signed by Standard Webhooks, and the run says so', async (t) => {
  const to = await receiver(t, () => 204)
  const { stint, start, callbackOf } = await running(t)
  const runId = await start(to.url)
  await settled(stint.url, runId)
  await until('the callback', async () => (await callbackOf(runId))?.state === 'delivered')
  assert.deepEqual(await callbackOf(runId), { state: 'delivered', tries: 1 })
  assert.equal(to.received.length, 1)
  const [{ headers, body } = { headers: {}, body: '' }] = to.received
  const verified = new Webhook(SECRET).verify(body, headers as Record<string, string>) as {
    type: string
    data: { runId: string; status: string; answer: string }
  }
  assert.equal(verified.type, 'run.completed')
  assert.deepEqual([verified.data.runId, verified.data.status, verified.data.answer], [runId, 'completed', 'Wrote it.'])
  assert.throws(() =>
    new Webhook(SECRET).verify(body.replace('completed', 'failed'), headers as Record<string, string>),
  )
  const events = await ask<{ items: { type: string }[] }>('GET', `${stint.url}/runs/${runId}/events?after=0`)
  assert.equal(events.body.items.filter(({ type }) => type === 'run.completed').length, 1, 'the end is told once')
})

test('what did not arrive is sent again with the same id and body, also by the next process', async (t) => {
  const to = await receiver(t, (tries) => (tries === 1 ? 503 : 200))
  const home = tempFolder(t, 'stint-home-')
  const { stint, start, callbackOf } = await running(t, { STINT_HOME: home })
  const runId = await start(to.url)
  await settled(stint.url, runId)
  const pending = await until('the first try', async () => {
    const callback = await callbackOf(runId)
    return callback?.tries === 1 && callback
  })
  assert.equal(pending.state, 'pending')
  assert.match(pending.detail ?? '', /answered 503/)
  await stint.kill('SIGKILL')
  const again = await startStint(t, { STINT_HOME: home, STINT_WEBHOOK_SECRET: SECRET })
  await until(
    'the second try',
    async () =>
      (await ask<{ callback?: Callback }>('GET', `${again.url}/runs/${runId}`)).body.callback?.state === 'delivered',
  )
  assert.equal(to.received.length, 2)
  const [first, second] = to.received
  assert.equal(first?.headers['webhook-id'], second?.headers['webhook-id'])
  assert.equal(first?.body, second?.body)
})

test('a receiver that refuses for good is not asked again, and a redirect is not followed', async (t) => {
  for (const [status, detail] of [
    [410, /answered 410/],
    [302, /answered 302/],
  ] as const) {
    const to = await receiver(t, () => status)
    const { stint, start, callbackOf } = await running(t)
    const runId = await start(to.url)
    assert.equal((await settled(stint.url, runId)).status, 'completed', 'the run itself is as it was')
    await until('the callback', async () => (await callbackOf(runId))?.state === 'failed')
    assert.match((await callbackOf(runId))?.detail ?? '', detail)
    assert.equal(to.received.length, 1)
  }
})

test('only https to public addresses may be called; loopback by a keyless server alone', async (t) => {
  const open = webhooks({ secret: SECRET, loopback: false })
  const own = webhooks({ secret: SECRET, loopback: true })
  for (const url of [
    'http://example.com/',
    'ftp://example.com/',
    'https://me:secret@example.com/',
    'https://127.0.0.1/',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://10.1.2.3/',
    'https://169.254.169.254/latest/meta-data',
    'https://192.168.1.1/',
    'https://100.64.0.1/',
    'https://[fd00::1]/',
    'https://[fe80::1]/',
    'https://[2001:db8::1]/',
    'https://0.0.0.0/',
    'https://2130706433/',
    'https://localhost/',
    'https://metadata.google.internal/',
    'nonsense',
  ])
    assert.ok(open.refuse(url), url)
  for (const url of ['https://example.com/hook', 'https://8.8.8.8/', 'https://[2606:4700::1111]/'])
    assert.equal(open.refuse(url), undefined, url)
  for (const url of ['http://127.0.0.1:80/', 'http://localhost/', 'https://[::1]/', 'https://example.com/'])
    assert.equal(own.refuse(url), undefined, url)
  assert.ok(own.refuse('https://10.1.2.3/') && own.refuse('http://example.com/'))

  await t.test('also when a name leads there only at the moment of the call', async () => {
    const signal = AbortSignal.timeout(5000)
    const sent = await open.send({
      url: `https://${(await import('node:os')).hostname()}/`,
      id: 'm',
      at: 1,
      body: '{}',
      signal,
    })
    assert.ok(!sent.ok)
  })
})

test('without a secret a callbackUrl is refused, and so is one that may not be called', async (t) => {
  const stint = await startStint(t)
  const send = (url: string, callbackUrl: string) =>
    ask<{ code: string; detail: string }>('POST', `${url}/execute`, { task: 'x', model: 'scripted', callbackUrl })
  const unset = await send(stint.url, 'https://example.com/')
  assert.deepEqual([unset.status, unset.body.code], [422, 'callback_refused'])
  assert.match(unset.body.detail, /STINT_WEBHOOK_SECRET/)
  const set = await startStint(t, { STINT_WEBHOOK_SECRET: SECRET })
  const inside = await send(set.url, 'https://10.0.0.1/')
  assert.deepEqual([inside.status, inside.body.code], [422, 'callback_refused'])
  assert.match(inside.body.detail, /public address/)
})
