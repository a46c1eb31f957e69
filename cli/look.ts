/** `runs`, `show`, `diff` and `tools`: looking without changing anything. */

import type { Client } from './client.ts'
import { connect } from './connect.ts'
import type { MessageView, RunView } from './contract.ts'
import { bold, colourDiff, cyan, dim, dollars, green, oneLine, red, safe, yellow } from './output.ts'
import { howToAnswer, summary } from './summary.ts'
import { type Given, suffixOf, UsageError } from './usage.ts'

const SHOWN_CHARS_MAX = 2000

async function withClient<T>(server: string | boolean | undefined, use: (client: Client) => Promise<T>): Promise<T> {
  const connection = await connect(server as string | undefined)
  try {
    return await use(connection.client)
  } finally {
    await connection.close()
  }
}

export const runs = ({ values }: Given): Promise<number> =>
  withClient(values.server, async (client) => {
    const query = new URLSearchParams({
      limit: String(values.limit ?? 20),
      ...(values.status ? { status: String(values.status) } : {}),
    })
    const { items } = await client.get<{ items: RunView[] }>(`/runs?${query}`)
    if (values.json) return print(items.map((run) => JSON.stringify(run)).join('\n'))
    if (items.length === 0) return print('No runs yet. Start one: stint run "…"')
    return print(
      items
        .map(
          (run) =>
            `${run.runId}  ${colourOf(run)}  ${dim(run.createdAt.slice(0, 16).replace('T', ' '))}  ${dollars(run.usage.costUsd).padStart(8)}  ${oneLine(run.task, 70)}`,
        )
        .join('\n'),
    )
  })

export const show = ({ values, words: [runId] }: Given): Promise<number> =>
  withClient(values.server, async (client) => {
    if (!runId) throw new UsageError('which run? "stint runs" lists them')
    const run = await client.run(runId)
    const messages: MessageView[] = []
    for (let cursor: string | undefined = '0'; cursor !== undefined; ) {
      const page: { items: MessageView[]; nextCursor?: string } = await client.get(
        `/runs/${runId}/messages?cursor=${cursor}`,
      )
      messages.push(...page.items)
      cursor = page.nextCursor
    }
    if (values.json) return print(JSON.stringify({ ...run, messages }, undefined, 2))
    return print(
      [
        ...messages.filter((message) => message.role !== 'system').map(lineOf),
        summary(run, { answer: run.status !== 'completed' }),
        howToAnswer(run, suffixOf(values.server)),
      ]
        .filter(Boolean)
        .join('\n'),
    )
  })

export const diff = ({ values, words: [runId] }: Given): Promise<number> =>
  withClient(values.server, async (client) => {
    if (!runId) throw new UsageError('which run? "stint runs" lists them')
    const text = await client.text(`/runs/${runId}/diff`)
    process.stdout.write(process.stdout.isTTY ? colourDiff(text) : text)
    return 0
  })

export const tools = ({ values }: Given): Promise<number> =>
  withClient(values.server, async (client) => {
    const { items } = await client.get<{
      items: {
        name: string
        category: string
        description: string
        risk: string
        inputSchema: { properties?: object; required?: string[] }
      }[]
    }>('/tools')
    if (values.json) return print(JSON.stringify(items, undefined, 2))
    const lines: string[] = []
    for (const category of new Set(items.map((tool) => tool.category))) {
      lines.push(bold(category))
      for (const tool of items.filter((other) => other.category === category)) {
        const required = tool.inputSchema.required ?? []
        const parameters = Object.keys(tool.inputSchema.properties ?? {}).map((name) =>
          required.includes(name) ? name : `${name}?`,
        )
        lines.push(
          `  ${tool.name.padEnd(14)} ${riskColour(tool.risk)(tool.risk.padEnd(8))} ${oneLine(tool.description, 76)}`,
          `  ${''.padEnd(14)} ${dim(`{${parameters.join(', ')}}`)}`,
        )
      }
    }
    return print(lines.join('\n'))
  })

function lineOf(message: MessageView): string {
  // What the engine adds to the task for the model is no word of the person's.
  const text = safe(message.from === 'task' ? (message.content.split('\n\n---\n')[0] ?? '') : message.content)
  const cut =
    text.length > SHOWN_CHARS_MAX
      ? `${text.slice(0, SHOWN_CHARS_MAX)}\n${dim(`… ${text.length - SHOWN_CHARS_MAX} more characters (--json has all)`)}`
      : text
  if (message.role === 'user') return `${bold(message.from ?? 'user')}\n${cut}\n`
  if (message.role === 'tool')
    return `${message.ok ? green('✓') : red('✗')} ${oneLine(message.tool ?? '', 64)} ${dim(`${message.durationMs} ms`)}\n${dim(cut)}\n`
  const calls = (message.calls ?? []).map(
    (call) => `${cyan('→')} ${oneLine(call.tool, 64)} ${oneLine(JSON.stringify(call.input), 200)}`,
  )
  return [...(cut ? [`${bold('stint')}\n${cut}`] : []), ...calls, ''].join('\n')
}

const riskColour = (risk: string) => (risk === 'read' ? green : risk === 'write' ? yellow : red)

function colourOf({ status, stopReason }: RunView): string {
  const text = (stopReason && stopReason !== 'done' && stopReason !== 'cancelled' ? stopReason : status).padEnd(11)
  return status === 'completed'
    ? green(text)
    : status === 'failed'
      ? red(text)
      : status === 'cancelled'
        ? dim(text)
        : yellow(text)
}

function print(text: string): number {
  process.stdout.write(`${text}\n`)
  return 0
}
