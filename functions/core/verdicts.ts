/** What becomes of a call before it runs: performed, refused, or held for a person; and the result it gets instead. */
import type { Message, PendingCall, Run, ToolError } from './types.ts'

/** Verdict `approve` under `ask`, or one that always asks, and nobody approved the very same call before. */
export const mustAsk = (call: PendingCall, run: Run): boolean =>
  call.verdict.decision === 'approve' &&
  !call.look &&
  !run.remembered.includes(call.hash) &&
  (run.approval === 'ask' || call.verdict.always === true)

/** Why a call is not performed at all; undefined when it may be. */
export function refusal(call: PendingCall, run: Run): ToolError | undefined {
  const { decision, reason } = call.verdict
  if (call.refusal) return call.refusal
  if (decision === 'deny') return { code: 'policy_denied', message: reason, hint: 'Find another way.' }
  if (decision === 'approve' && run.approval === 'deny')
    return {
      code: 'approval_denied',
      message: `This run performs nothing that needs an approval (${reason}).`,
      hint: 'Find a way without it, or say in the answer what is left to do.',
    }
  return undefined
}

/** The result of a call that no tool performed: an error the model can mend, or a person's words. */
export function answerTo(call: PendingCall, answer: { error: ToolError } | { text: string }, durationMs = 0): Message {
  const error = 'error' in answer ? answer.error : undefined
  const output = 'text' in answer ? answer.text : errorText(answer.error)
  const { callId, tool, risk } = call
  const result = { callId, tool, ok: !error, output, ...(error ? { error } : {}), risk, durationMs, truncated: false }
  return { role: 'tool', modelCallId: call.modelCallId, result }
}

/** How an error reads to the model: the code, what happened, how to mend it. */
export const errorText = ({ code, message, hint }: ToolError): string =>
  `Error ${code}: ${message}${hint ? `\n${hint}` : ''}`
