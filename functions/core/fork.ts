/** What a fork takes over from the transcript of another run. */
import { z } from 'zod'
import { type Message, PlanItem } from './types.ts'

/**
 * The longest beginning that a model can go on from: every call in it has its result, and it does not end with the
 * model's own words, unless something new is said after them (`more`).
 */
export function goingOnFrom(messages: Message[], more: boolean): Message[] {
  const open = new Set<string>()
  let end = 0
  messages.forEach((message, i) => {
    if (message.role === 'assistant') for (const { modelCallId } of message.calls) open.add(modelCallId)
    if (message.role === 'tool') open.delete(message.modelCallId)
    if (open.size === 0 && (message.role !== 'assistant' || more)) end = i + 1
  })
  return messages.slice(0, end)
}

/** The plan as the transcript tells it. */
export function planIn(messages: Message[]): PlanItem[] {
  const calls = messages.flatMap((message) => (message.role === 'assistant' ? message.calls : []))
  const last = calls.findLast(({ tool }) => tool === 'update_plan')
  const parsed = Given.safeParse(last && JSON.parse(last.arguments))
  return parsed.success ? parsed.data.items : []
}

const Given = z.object({ items: z.array(PlanItem) })
