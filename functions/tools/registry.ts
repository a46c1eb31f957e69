/** Every tool there is, where it runs, and which of them a model is offered. A new tool is one file and one line. */
import { z } from 'zod'
import { SANDBOX_TOOLS, type ToolDefinition } from '../../sandbox-runner/catalogue.ts'
import type { ToolSchema } from '../core/context.ts'
import { TOOLS_OFFERED_MAX } from '../core/limits.ts'
import { askUser } from './ask_user.ts'
import type { FunctionTool } from './define.ts'
import { gitPush } from './git_push.ts'
import { openPullRequest } from './open_pull_request.ts'
import { recall } from './recall.ts'
import { remember } from './remember.ts'
import { updatePlan } from './update_plan.ts'

const FUNCTION_TOOLS: readonly FunctionTool[] = [gitPush, openPullRequest, updatePlan, askUser, recall, remember]

export type AnyTool =
  | { definition: ToolDefinition; runs: 'function'; tool: FunctionTool }
  | { definition: ToolDefinition; runs: 'sandbox' }

const REGISTRY = new Map<string, AnyTool>([
  ...SANDBOX_TOOLS.map((definition): [string, AnyTool] => [definition.name, { definition, runs: 'sandbox' }]),
  ...FUNCTION_TOOLS.map((tool): [string, AnyTool] => [tool.name, { definition: tool, runs: 'function', tool }]),
])

/** In the order the model sees them. The rest are reached by the API. */
const OFFERED = [
  'read_file',
  'list_files',
  'search_text',
  'search_code',
  'edit_file',
  'write_file',
  'apply_patch',
  'run_command',
  'run_tests',
  'git_diff',
  'update_plan',
  'ask_user',
]

export const toolNamed = (name: string): AnyTool | undefined => REGISTRY.get(name)
export const allTools = (): AnyTool[] => [...REGISTRY.values()]

/** The tools of one request: always the same list in the same bytes, because the prefix of every prompt begins with it. */
export function offeredTools(): readonly ToolSchema[] {
  offered ??= OFFERED.slice(0, TOOLS_OFFERED_MAX).flatMap((name) => {
    const entry = REGISTRY.get(name)
    return entry
      ? [{ name, description: entry.definition.description, parameters: parametersOf(entry.definition) }]
      : []
  })
  return offered
}
let offered: ToolSchema[] | undefined

/** The full JSON schema of a tool's input, as GET /tools shows it. */
export const inputSchema = (definition: ToolDefinition): Record<string, unknown> => {
  const { $schema: _, ...schema } = z.toJSONSchema(definition.input, { io: 'input' }) as Record<string, unknown>
  return schema
}

/** The same without what a model needs no telling of: bounds are checked here, and cost tokens in every request. */
const parametersOf = (definition: ToolDefinition): Record<string, unknown> =>
  lean(inputSchema(definition)) as Record<string, unknown>

const DROPPED = new Set([
  'additionalProperties',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'exclusiveMinimum',
  'format',
])

function lean(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(lean)
  if (typeof schema !== 'object' || schema === null) return schema
  return Object.fromEntries(
    Object.entries(schema).flatMap(([key, value]) => (DROPPED.has(key) ? [] : [[key, lean(value)]])),
  )
}
