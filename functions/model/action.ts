/**
 * One action by a strict JSON schema: how a model is asked whose calls could not be read. The server holds the answer to
 * the schema, so that it cannot be malformed; tools and stream are not possible beside it, so the tools are told in words.
 */
import type { ChatMessage, ToolSchema } from '../core/context.ts'
import type { ModelAnswer } from '../ports.ts'
import { type Read, readAnswer } from './dialect/answer.ts'
import { understand } from './dialect/call.ts'
import { isObject, readLoose } from './dialect/loose.ts'

const ANSWER = 'answer'

type Schema = Record<string, unknown>

/** Every tool with its arguments, and the answer in words; all is required, what may be left out may be null. */
export function actionSchema(tools: readonly ToolSchema[]): Schema {
  const one = (tool: string, args: Schema): Schema => ({
    type: 'object',
    properties: { tool: { type: 'string', enum: [tool] }, arguments: args },
    required: ['tool', 'arguments'],
    additionalProperties: false,
  })
  const answer = {
    type: 'object',
    properties: { text: { type: 'string' } },
    required: ['text'],
    additionalProperties: false,
  }
  return {
    type: 'object',
    properties: {
      action: {
        anyOf: [...tools.map(({ name, parameters }) => one(name, strict(parameters) as Schema)), one(ANSWER, answer)],
      },
    },
    required: ['action'],
    additionalProperties: false,
  }
}

function strict(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(strict)
  if (!isObject(schema)) return schema
  if (schema.type !== 'object')
    return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, strict(value)]))
  const properties = isObject(schema.properties) ? schema.properties : {}
  const required = Array.isArray(schema.required) ? schema.required : []
  return {
    type: 'object',
    properties: Object.fromEntries(
      Object.entries(properties).map(([key, value]) => [
        key,
        required.includes(key) ? strict(value) : { anyOf: [strict(value), { type: 'null' }] },
      ]),
    ),
    required: Object.keys(properties),
    additionalProperties: false,
  }
}

/** What is said at the end of the prompt, and kept nowhere: the history stays as it is. */
export function actionRequest(tools: readonly ToolSchema[]): ChatMessage {
  const lines = tools.map(
    ({ name, description, parameters }) =>
      `- ${name}(${Object.keys(isObject(parameters.properties) ? parameters.properties : {}).join(', ')}): ${description}`,
  )
  const content = [
    'Your calls could not be read. Answer with one JSON object now: {"action": {"tool": NAME, "arguments": {…}}}; null for what a tool need not have.',
    ...lines,
    `- ${ANSWER}(text): the task is done, this is the answer.`,
  ].join('\n')
  return { role: 'user', content }
}

/** The action in an answer; a server that does not hold to the schema is read as always. */
export function readAction(answer: ModelAnswer): Read {
  if (answer.calls.length > 0 || answer.truncated) return readAnswer(answer)
  const read = readLoose(answer.content.trim())
  const action = read.ok && isObject(read.value) && isObject(read.value.action) ? read.value.action : undefined
  if (!action || typeof action.tool !== 'string' || !isObject(action.arguments)) return readAnswer(answer)
  if (action.tool === ANSWER) return { content: String(action.arguments.text ?? ''), calls: [] }
  const said = { id: '', name: action.tool, arguments: JSON.stringify(action.arguments) }
  const calls = understand(said, { whole: true }).map((call) => ({
    ...call,
    mended: ['asked by schema', ...(call.mended ?? [])],
  }))
  return { content: '', calls }
}
