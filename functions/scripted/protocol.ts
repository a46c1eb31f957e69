/**
 * Groq's chat-completions protocol as its server enforces it, seen from the server's side: what a request may hold, in
 * which order, and how errors look. Deliberately strict, so that a client which passes here passes there.
 * Source: groq-sdk 1.6.0 types; console.groq.com/docs/{api-reference,errors,structured-outputs}, read 2026-11-22.
 */

export type Refusal = { status: number; message: string; code?: string; type?: string; failedGeneration?: string }
export type Json = Record<string, unknown>

const FIELDS = new Set(
  'messages model tools tool_choice parallel_tool_calls disable_tool_validation max_completion_tokens max_tokens reasoning_effort reasoning_format include_reasoning response_format seed service_tier stop stream temperature top_p user n documents citation_options search_settings compound_custom'.split(
    ' ',
  ),
)
const MESSAGE_FIELDS: Record<string, Set<string>> = {
  system: new Set(['role', 'content', 'name']),
  developer: new Set(['role', 'content', 'name']),
  user: new Set(['role', 'content', 'name']),
  assistant: new Set(['role', 'content', 'name', 'tool_calls', 'reasoning', 'function_call']),
  tool: new Set(['role', 'content', 'tool_call_id', 'name']),
}
const TOOL_NAME = /^[A-Za-z0-9_-]{1,64}$/

/** What is wrong with a request, or undefined. `models` are the ids on offer. */
export function checkRequest(body: unknown, models: string[]): Refusal | undefined {
  if (!isObject(body)) return bad('the body must be a JSON object')
  const unknown = Object.keys(body).find((key) => !FIELDS.has(key))
  if (unknown) return bad(`property '${unknown}' is unsupported`)
  const {
    model,
    messages,
    tools,
    tool_choice: choice,
    max_completion_tokens: max,
    stream,
    response_format: format,
    n,
  } = body
  if (typeof model !== 'string') return bad("'model' : property is missing")
  if (!models.some((id) => id === model || model.startsWith(`${id}:`)))
    return {
      status: 404,
      code: 'model_not_found',
      message: `The model \`${model}\` does not exist or you do not have access to it.`,
    }
  if (n !== undefined && n !== 1) return bad("'n' : must be 1")
  if (stream !== undefined && typeof stream !== 'boolean') return bad("'stream' : must be a boolean")
  if (max !== undefined && (!Number.isInteger(max) || (max as number) < 1 || (max as number) > 65_536))
    return bad("'max_completion_tokens' : must be between 1 and 65536")
  if (body.max_tokens !== undefined && max !== undefined)
    return bad("'max_tokens' and 'max_completion_tokens' exclude each other")
  if (isObject(format) && format.type === 'json_schema' && (stream === true || tools !== undefined))
    return bad('Streaming and tool use are not currently supported with Structured Outputs')
  return checkTools(tools, choice) ?? checkMessages(messages)
}

function checkTools(tools: unknown, choice: unknown): Refusal | undefined {
  if (tools === undefined)
    return choice === undefined || choice === 'none' || choice === 'auto'
      ? undefined
      : bad("'tool_choice' : needs tools")
  if (!Array.isArray(tools) || tools.length > 128) return bad("'tools' : must be an array of at most 128")
  const names = new Set<string>()
  for (const [i, tool] of tools.entries()) {
    if (!isObject(tool) || tool.type !== 'function' || !isObject(tool.function))
      return bad(`'tools.${i}' : must be a function`)
    const { name, parameters, ...rest } = tool.function
    if (typeof name !== 'string' || !TOOL_NAME.test(name))
      return bad(`'tools.${i}.function.name' : must match ${TOOL_NAME.source}`)
    if (names.has(name)) return bad(`'tools.${i}.function.name' : ${name} is there twice`)
    names.add(name)
    if (parameters !== undefined && (!isObject(parameters) || parameters.type !== 'object'))
      return bad(`'tools.${i}.function.parameters' : must be a JSON schema of an object`)
    const extra = Object.keys(rest).find((key) => key !== 'description' && key !== 'strict')
    if (extra) return bad(`'tools.${i}.function' : property '${extra}' is unsupported`)
  }
  return undefined
}

function checkMessages(messages: unknown): Refusal | undefined {
  if (!Array.isArray(messages) || messages.length === 0) return bad("'messages' : minimum number of items is 1")
  let open = new Set<string>()
  for (const [i, message] of messages.entries()) {
    const where = `'messages.${i}'`
    if (!isObject(message) || typeof message.role !== 'string')
      return bad(`${where} : discriminator property 'role' is missing`)
    const allowed = MESSAGE_FIELDS[message.role]
    if (!allowed) return bad(`${where} : role '${message.role}' is unknown`)
    const unknown = Object.keys(message).find((key) => !allowed.has(key))
    if (unknown) return bad(`${where} : property '${unknown}' is unsupported`)
    const { role, content } = message
    if (role === 'tool') {
      const id = message.tool_call_id
      if (typeof id !== 'string' || !open.delete(id))
        return bad(`${where} : tool_call_id '${String(id)}' answers no call of the assistant message before it`)
      if (typeof content !== 'string') return bad(`${where} : content must be a string`)
      continue
    }
    if (open.size > 0) return bad(`${where} : the tool calls ${[...open].join(', ')} have no answer`)
    if (role === 'system' && i > 0) return bad(`${where} : a system message comes first`)
    if (role === 'assistant') {
      const found = checkCalls(message, where)
      if ('status' in found) return found
      open = found.ids
      if (open.size === 0 && (typeof content !== 'string' || content === ''))
        return bad(`${where} : an assistant message has content or tool_calls`)
    } else if (typeof content !== 'string' || content === '')
      return bad(`${where} : content must be a string that is not empty`)
  }
  if (open.size > 0) return bad(`the tool calls ${[...open].join(', ')} have no answer`)
  const last = messages.at(-1) as Json
  return last.role === 'assistant' ? bad('the last message must not be of the assistant') : undefined
}

function checkCalls(message: Json, where: string): { ids: Set<string> } | Refusal {
  const { content, tool_calls: calls } = message
  if (content !== undefined && content !== null && typeof content !== 'string')
    return bad(`${where} : content must be a string or null`)
  if (calls === undefined) return { ids: new Set() }
  if (!Array.isArray(calls) || calls.length === 0)
    return bad(`${where}.tool_calls : must be an array that is not empty`)
  const ids = new Set<string>()
  for (const [k, call] of calls.entries()) {
    const at = `${where}.tool_calls.${k}`
    if (!isObject(call) || call.type !== 'function' || typeof call.id !== 'string' || !isObject(call.function))
      return bad(`${at} : must have id, type and function`)
    const extra = [
      ...Object.keys(call).filter((key) => !['id', 'type', 'function'].includes(key)),
      ...Object.keys(call.function).filter((key) => !['name', 'arguments'].includes(key)),
    ][0]
    if (extra) return bad(`${at} : property '${extra}' is unsupported`)
    if (
      typeof call.function.name !== 'string' ||
      typeof call.function.arguments !== 'string' ||
      !isJsonObject(call.function.arguments)
    )
      return bad(`${at}.function.arguments : must be a JSON object as a string`)
    if (ids.has(call.id)) return bad(`${at}.id : '${call.id}' is there twice`)
    ids.add(call.id)
  }
  return { ids }
}

function isJsonObject(text: string): boolean {
  try {
    return isObject(JSON.parse(text))
  } catch {
    return false
  }
}

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const bad = (message: string): Refusal => ({ status: 400, message })

export const errorBody = ({ message, code, type = 'invalid_request_error', failedGeneration }: Refusal): Json => ({
  error: {
    message,
    type,
    ...(code ? { code } : {}),
    ...(failedGeneration ? { failed_generation: failedGeneration } : {}),
  },
})
