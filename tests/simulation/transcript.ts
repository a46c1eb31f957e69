/** What a transcript says must have happened: its messages taken one by one, with the files and effects they imply. */
import { judge } from '../../functions/core/policy.ts'
import type { Message, ToolCall, ToolResult } from '../../functions/core/types.ts'
import { Violation } from './violation.ts'
import { baseFiles, changesFiles, type Files, type Input, OUTSIDE, perform } from './world/files.ts'

/** Reasons for which a call has a result without having been performed. */
const NOT_PERFORMED = ['approval_denied', 'policy_denied', 'invalid_arguments', 'unknown_tool', 'no_answer']

export type Told = {
  /** Calls of the newest answer that have no result yet, in order. */
  open: ToolCall[]
  files: Files
  /** Results of calls that act outside: done, or told as unknown. */
  outside: { callId: string; text: string; state: string }[]
  /** Pushes and proposals that are told as done. */
  published: { callId: string; branch: string; commit?: string; number?: number }[]
}

export const nothingTold = (files: Files = baseFiles()): Told => ({ open: [], files, outside: [], published: [] })

/** @throws Violation I4 or I5. */
export function tell(told: Told, message: Message, cancelled: boolean): Told {
  if (message.role !== 'tool') {
    if (told.open.length > 0) throw new Violation('I4', `${told.open[0]?.callId} has no result before the next message`)
    return message.role === 'assistant' ? { ...told, open: message.calls } : told
  }
  const [call, ...open] = told.open
  if (!call || call.callId !== message.result.callId || call.modelCallId !== message.modelCallId)
    throw new Violation('I4', `a result for ${message.result.callId}, when ${call?.callId ?? 'none'} is due`)
  return { ...performed({ ...told, open }, call, message.result, cancelled) }
}

function performed(told: Told, call: ToolCall, result: ToolResult, cancelled: boolean): Told {
  if (result.error && NOT_PERFORMED.includes(result.error.code)) return told
  if (result.error?.code === 'cancelled') {
    if (!cancelled) throw new Violation('I5', `${call.tool} ${call.callId} is told as cancelled; nobody cancelled`)
    return told
  }
  if (call.tool === 'update_plan' || call.tool === 'ask_user') return told
  if (call.tool === 'git_push' || call.tool === 'open_pull_request') {
    if (!result.ok) return told
    const data = result.data as Omit<Told['published'][number], 'callId'>
    return { ...told, published: [...told.published, { callId: call.callId, ...data }] }
  }
  const input = JSON.parse(call.arguments) as Input
  const [, , text] = OUTSIDE.exec(String(input.command)) ?? []
  if (text !== undefined) {
    const { outside: state = '?' } = (result.data ?? {}) as { outside?: string }
    return { ...told, outside: [...told.outside, { callId: call.callId, text, state }] }
  }
  const expected = perform(told.files, call.tool, input)
  if (expected.ok !== result.ok || expected.output !== result.output)
    throw new Violation(
      'I5',
      `${call.tool} ${call.arguments} saw other files than the transcript tells: ${JSON.stringify(result.output)} instead of ${JSON.stringify(expected.output)}`,
    )
  return changesFiles(call.tool) ? { ...told, files: expected.files ?? told.files } : told
}

/** True when a person must have said yes, under `ask`. */
export function needsApproval(tool: string, args: string): boolean {
  const risk = RISKS[tool]
  if (!risk) return false
  return judge({ tool, risk, input: JSON.parse(args) as Input }, { isolation: 'none' }).decision === 'approve'
}

const RISKS: Record<string, 'write' | 'execute'> = {
  edit_file: 'write',
  write_file: 'write',
  run_command: 'execute',
  run_tests: 'execute',
}
