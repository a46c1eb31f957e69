/** `approve`, `deny`, `say`, `cancel` and `fork`: what a person does to a run. Locally the run then goes on in this process. */
import { type Connection, connect } from './connect.ts'
import type { RunView } from './contract.ts'
import { followToEnd } from './run.ts'
import { type Given, suffixOf, UsageError } from './usage.ts'

const CANCEL_WAIT_MS_MAX = 10_000

export const approve = ({ values, words }: Given): Promise<number> => decide(values, words, true)
export const deny = ({ values, words }: Given): Promise<number> => decide(values, words, false)

async function decide(values: Given['values'], [runId, callId]: string[], approved: boolean): Promise<number> {
  if (!runId || !callId) throw new UsageError('which call of which run? "stint show RUN" names the one that waits')
  const remember = (values.remember as string | undefined) ?? 'call'
  if (!['call', 'run', 'session', 'repo'].includes(remember))
    throw new UsageError('--remember is call, run, session or repo')
  return send(values, runId, `/runs/${runId}/decisions`, {
    callId,
    approved,
    ...(approved ? { remember } : {}),
    ...(values.reason ? { reason: values.reason } : {}),
  })
}

export async function say({ values, words: [runId, ...words] }: Given): Promise<number> {
  const text = words.join(' ').trim()
  if (!runId || text === '') throw new UsageError('say what to which run? stint say RUN "message"')
  return send(values, runId, `/runs/${runId}/messages`, { text })
}

async function send(values: Given['values'], runId: string, path: string, body: object): Promise<number> {
  const connection = await connect(values.server as string | undefined)
  try {
    const after = await newestEvent(connection, runId)
    await connection.client.post(path, body)
    if (values.detach || values.server) {
      process.stdout.write(`sent; follow with: stint watch ${runId}${suffixOf(values.server)}\n`)
      return 0
    }
    connection.adopt(runId)
    return await followToEnd({ client: connection.client, runId, style: 'live', after, interrupt: 'leave', suffix: '' })
  } finally {
    await connection.close()
  }
}

export async function fork({ values, words: [runId] }: Given): Promise<number> {
  if (!runId) throw new UsageError('which run? "stint runs" lists them')
  const step = Number(values.step)
  if (values.step === undefined || !Number.isInteger(step) || step < 0)
    throw new UsageError('--step takes a whole number: the step to go on from')
  const connection = await connect(values.server as string | undefined)
  try {
    const made = await connection.client.post<{ runId: string }>(`/runs/${runId}/fork`, {
      step,
      ...(values.task ? { task: values.task } : {}),
      ...(values.model ? { model: values.model } : {}),
    })
    if (values.detach || values.server) {
      process.stdout.write(`started ${made.runId}; follow with: stint watch ${made.runId}${suffixOf(values.server)}\n`)
      return 0
    }
    connection.adopt(made.runId)
    const { client } = connection
    return await followToEnd({ client, runId: made.runId, style: 'live', after: 0, interrupt: 'leave', suffix: '' })
  } finally {
    await connection.close()
  }
}

export async function cancel({ values, words: [runId] }: Given): Promise<number> {
  if (!runId) throw new UsageError('which run? "stint runs" lists them')
  const connection = await connect(values.server as string | undefined)
  try {
    await connection.client.post(`/runs/${runId}/cancel`, values.reason ? { reason: values.reason } : {})
    connection.adopt(runId)
    const run = await ended(connection, runId)
    process.stdout.write(
      run.status === 'cancelled' ? `cancelled ${runId}\n` : `${runId} will end at its next step (now ${run.status})\n`,
    )
    return 0
  } finally {
    await connection.close()
  }
}

/** The number of the newest event, so that only what follows is shown. */
async function newestEvent({ client }: Connection, runId: string): Promise<number> {
  for (let last = 0; ; ) {
    const { items } = await client.get<{ items: { seq?: number }[] }>(`/runs/${runId}/events?after=${last}&limit=200`)
    if (items.length === 0) return last
    last = items.at(-1)?.seq ?? last
  }
}

async function ended({ client }: Connection, runId: string): Promise<RunView> {
  for (const until = Date.now() + CANCEL_WAIT_MS_MAX; ; ) {
    const run = await client.run(runId)
    if (!['queued', 'running', 'waiting'].includes(run.status) || Date.now() >= until) return run
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
