/**
 * What one model request contains, in the words of the chat-completions protocol. The same messages always give the
 * same bytes, and a longer transcript begins with the bytes of a shorter one: Groq halves the price of a repeated
 * prefix and does not count it to rate limits, so nothing before the end may ever move.
 */
import type { Message, ToolCall, ToolResult } from './types.ts'
import { errorText } from './verdicts.ts'

export type ToolSchema = { name: string; description: string; parameters: Record<string, unknown> }

export type ChatMessage =
  | { role: 'system' | 'user'; content: string }
  | { role: 'assistant'; content: string | null; tool_calls?: ChatToolCall[] }
  | { role: 'tool'; tool_call_id: string; content: string }
export type ChatToolCall = { id: string; type: 'function'; function: { name: string; arguments: string } }

/** Everything the model sees, and how it is asked. */
export type AgentContext = {
  model: string
  messages: ChatMessage[]
  tools: ToolSchema[]
  maxTokens: number
  /** How long the answer may take, or a stream may say nothing. */
  timeoutMs?: number
  effort?: 'low' | 'medium' | 'high'
  /** Holds the answer to this JSON schema; only where no tools are offered. */
  schema?: Record<string, unknown>
  /** Calls come as they are, whatever their names: we check them here. */
  unchecked?: true
}

export function chatMessages(messages: Message[]): ChatMessage[] {
  const ran = new Map<string, string>()
  return messages.map((message) => {
    if (message.role === 'assistant')
      for (const call of message.calls) if (call.mended) ran.set(call.callId, ranAs(call))
    return chatMessage(message, ran)
  })
}

/** `ran` has, by call, what the model is told of calls that were mended. */
function chatMessage(message: Message, ran: Map<string, string>): ChatMessage {
  switch (message.role) {
    case 'system':
      return { role: 'system', content: message.content }
    case 'user':
      return { role: 'user', content: plainText(message.content) }
    case 'tool':
      return {
        role: 'tool',
        tool_call_id: message.modelCallId,
        content: plainText(`${ran.get(message.result.callId) ?? ''}${resultText(message.result)}`),
      }
    case 'assistant': {
      const calls = message.calls.map(
        ({ modelCallId, tool, arguments: args }): ChatToolCall => ({
          id: modelCallId,
          type: 'function',
          function: { name: tool, arguments: args },
        }),
      )
      return calls.length > 0
        ? { role: 'assistant', content: message.content || null, tool_calls: calls }
        : { role: 'assistant', content: message.content }
    }
  }
}

/** A call that was mended is shown in the history as it was performed; the result says so, or the model would wonder. */
function ranAs({ tool, arguments: args }: ToolCall): string {
  const text = args.length <= RAN_CHARS_MAX ? args : `${args.slice(0, RAN_CHARS_MAX)}…`
  return `[your call was read as ${tool} ${text}]\n`
}
const RAN_CHARS_MAX = 200

/** A result as the model reads it; an error that its output does not tell yet comes first. */
const resultText = ({ output, error }: ToolResult): string =>
  output !== '' ? output : error ? errorText(error) : '[nothing]'

/**
 * Untrusted text stays text: a control token of the model's own chat format, forged in a file or an issue, is shown
 * with its bars broken (arXiv 2509.22830 describes the attack). Other uses of `<|` are left alone.
 */
export const plainText = (text: string): string =>
  text.includes('<|')
    ? text.replace(
        /<\|(start|end|message|channel|constrain|return|call|im_start|im_end|im_sep|endoftext|startoftext|endofprompt|system|user|assistant|tool)\|>/gi,
        '<¦$1¦>',
      )
    : text

/** Tokens of a text before the model has counted them: about one per 3.6 bytes of code and prose. */
export const estimateTokens = (bytes: number): number => Math.ceil(bytes / 3.6)
