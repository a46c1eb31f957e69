/** The scripted model in a process of its own, with a clock: when each answer ended and when the next request came. */
import { startScriptedServer } from '../functions/scripted/server.ts'
import { calls40, calls200, scriptOf } from './scenario.ts'

const script = scriptOf(process.argv[2] === '200' ? calls200() : calls40())
const gaps: number[] = []
let endedAt: number | undefined
let first: number | undefined
const server = await startScriptedServer({
  script,
  intercept(_body, response) {
    const now = performance.timeOrigin + performance.now()
    first ??= now
    if (endedAt !== undefined) gaps.push(now - endedAt)
    response.once('finish', () => {
      endedAt = performance.timeOrigin + performance.now()
    })
    return false
  },
})
process.stdout.write(`${server.url}\n`)
process.on('message', () => {
  let same = 0
  let all = 0
  let previous = ''
  for (const [i, { tools, messages }] of server.requests.entries()) {
    const prompt = JSON.stringify({ tools, messages })
    let at = 0
    while (at < prompt.length && prompt[at] === previous[at]) at++
    if (i > 0) {
      same += at
      all += prompt.length
    }
    previous = prompt
  }
  const firstRequest = server.requests[0]
  process.send?.({
    gaps,
    first,
    requests: server.requests.length,
    refused: server.refused,
    reuse: all === 0 ? 1 : same / all,
    firstBytes: firstRequest
      ? Buffer.byteLength(JSON.stringify({ tools: firstRequest.tools, messages: firstRequest.messages }))
      : 0,
    promptBytes: server.requests.reduce(
      (sum, { tools, messages }) => sum + Buffer.byteLength(JSON.stringify({ tools, messages })),
      0,
    ),
  })
})
