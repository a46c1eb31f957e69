/**
 * What was asked to be delivered with a run: once the model is done, its work is committed, pushed and proposed by calls
 * that no model made. They are calls like any other: held, journaled and told, and what became of them ends the answer.
 * The request is their approval, but for what is always asked about.
 */
import { NOTHING_USED } from './fresh.ts'
import type { Move } from './moves.ts'
import type { AssistantMessage, Message, Run, ToolCall } from './types.ts'

/** Names and arguments, in order; ids come from what is stored, so that a second try makes the same calls. */
export function deliveryCalls({
  runId,
  turns,
  task,
  answer = '',
  deliver,
}: Run): { id: string; name: string; arguments: string }[] {
  const title = titleOf(task)
  const { branch, pullRequest = 'none' } = deliver ?? {}
  const calls: [string, object][] = [
    ['git_commit', { message: `${title}\n\n${answer}`.slice(0, 10_000) }],
    ['git_push', branch === undefined ? {} : { branch }],
    ...(pullRequest === 'none'
      ? []
      : ([['open_pull_request', { title, body: answer.slice(0, BODY_CHARS), draft: pullRequest === 'draft' }]] as [
          string,
          object,
        ][])),
  ]
  return calls.map(([name, input], i) => ({
    id: `call_${runId.slice('run_'.length)}d${turns}n${i}`,
    name,
    arguments: JSON.stringify(input),
  }))
}

export const deliveryMessage = (calls: ToolCall[]): AssistantMessage => ({
  role: 'assistant',
  content: '',
  calls,
  model: '',
  usage: NOTHING_USED,
})

/** Keeps what became of pushing and proposing; the end tells it behind the model's own words. */
export function recorded({ run, messages, ...rest }: Move): Move {
  if (!run.delivery) return { run, messages, ...rest }
  const delivery = [...run.delivery, ...messages.flatMap(lineOf)]
  if (run.status !== 'completed') return { run: { ...run, delivery }, messages, ...rest }
  const told = delivery.length > 0 ? delivery.join('\n') : 'Nothing was changed, so nothing was pushed.'
  return { run: { ...run, delivery, answer: `${run.answer}\n\n${told}` }, messages, ...rest }
}

function lineOf(message: Message): string[] {
  if (message.role !== 'tool' || message.result.tool === 'git_commit') return []
  const { output, error } = message.result
  if (error && NOTHING.has(error.code)) return []
  return [error ? error.message : output]
}

/** What follows of itself where nothing was changed. */
const NOTHING = new Set(['nothing_to_push', 'branch_missing', 'nothing_to_propose'])

const BODY_CHARS = 50_000
const TITLE_CHARS = 72

function titleOf(task: string): string {
  const line = task.trim().split('\n')[0]?.trim() ?? ''
  return line.length <= TITLE_CHARS ? line : `${line.slice(0, TITLE_CHARS - 1).trimEnd()}…`
}
