/** Puts a held call, or the model's question, to the person at the terminal. */
import { createInterface } from 'node:readline/promises'
import type { Client } from './client.ts'
import type { EventView } from './contract.ts'
import { bold, dim, safe, yellow } from './output.ts'

/** False when nobody answered: the run stays as it is, waiting. */
export async function putToPerson(client: Client, runId: string, { data }: EventView): Promise<boolean> {
  const input = createInterface({ input: process.stdin, output: process.stdout })
  try {
    return data.kind === 'question'
      ? await question(client, runId, data, (text) => input.question(text))
      : await approval(client, runId, data, (text) => input.question(text))
  } catch (error) {
    // Ctrl-C or a closed terminal at the prompt.
    if ((error as Error).name === 'AbortError' || (error as { code?: string }).code === 'ABORT_ERR') return false
    throw error
  } finally {
    input.close()
  }
}

type Ask = (prompt: string) => Promise<string>

async function question(client: Client, runId: string, data: EventView['data'], ask: Ask): Promise<boolean> {
  const choices = Array.isArray(data.choices) ? data.choices.map(String) : []
  const otherwise = typeof data.default === 'string' ? data.default : ''
  process.stdout.write(`\n${yellow('?')} ${safe(String(data.question))}\n`)
  for (const [i, choice] of choices.entries()) process.stdout.write(`  ${i + 1}. ${safe(choice)}\n`)
  const said = (await ask(`answer${otherwise ? ` [${safe(otherwise)}]` : ''}: `)).trim() || otherwise
  if (said === '') return false
  await client.post(`/runs/${runId}/messages`, { text: choices[Number(said) - 1] ?? said })
  return true
}

async function approval(client: Client, runId: string, data: EventView['data'], ask: Ask): Promise<boolean> {
  process.stdout.write(
    `\n${yellow('approve?')} ${bold(safe(String(data.tool)))} ${safe(String(data.preview))}\n${dim(safe(String(data.reason)))}\n`,
  )
  const said = (await ask('[y]es, [a]lways in this run, [n]o, or why not: ')).trim()
  const approved = /^(y|yes|a|always)$/i.test(said)
  const always = approved && /^a/i.test(said)
  const reason = approved || /^(n|no|)$/i.test(said) ? undefined : said
  await client.post(`/runs/${runId}/decisions`, {
    callId: data.callId,
    approved,
    remember: always ? 'run' : 'call',
    ...(reason ? { reason } : {}),
  })
  return true
}
