/** One tool call in one workspace: validate, run with a time limit, and turn whatever happened into a result. */
import { SANDBOX_TOOLS, type SandboxTool } from './catalogue.ts'
import { ToolFailure } from './define.ts'
import type { Machine } from './exec/shell.ts'
import { faultOf } from './faults.ts'
import { handsFor, type Work } from './hands.ts'
import type { Call, CallResult, Snapshot } from './protocol.ts'
import { brokenText } from './syntax/watch.ts'
import type { Captured, Workspace } from './workspace/workspace.ts'

const TOOLS = new Map<string, SandboxTool>(SANDBOX_TOOLS.map((tool) => [tool.name, tool]))

/** True for a call that may change the workspace: it runs alone and a snapshot follows. */
export const changes = ({ tool }: Call): boolean => TOOLS.get(tool)?.changes ?? false

export type Called = {
  result: CallResult
  /** What it did to the files; undefined when it never began. */
  work?: Work
}

/** What the model can mend is a result. It throws only what makes the workspace itself unusable. */
export async function callTool(
  workspace: Workspace,
  { callId, tool: name, input }: Call,
  { machine, signal, untilMs }: { machine: Machine; signal: AbortSignal; untilMs?: number | undefined },
): Promise<Called> {
  const started = performance.now()
  const answer = (part: Pick<CallResult, 'ok' | 'output'> & Partial<CallResult>): CallResult => ({
    callId,
    durationMs: Math.round(performance.now() - started),
    truncated: false,
    ...part,
  })
  const refuse = (code: string, message: string, hint?: string): CallResult =>
    answer({
      ok: false,
      output: `Error ${code}: ${message}${hint ? `\n${hint}` : ''}`,
      error: { code, message, ...(hint ? { hint } : {}) },
    })

  if (signal.aborted) return { result: refuse('cancelled', 'stopped before it began') }
  const tool = TOOLS.get(name)
  if (!tool) return { result: refuse('unknown_tool', `the sandbox has no tool ${name}`) }
  const parsed = tool.input.safeParse(input)
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
    return { result: refuse('invalid_arguments', issues.join('; ')) }
  }
  const timeoutMs = typeof tool.timeoutMs === 'number' ? tool.timeoutMs : tool.timeoutMs(parsed.data)
  const work = handsFor(workspace, { machine, callId, timeoutMs, signal, untilMs })
  try {
    const { output, data, truncated = false, error } = await tool.run(parsed.data, work.hands)
    const broken = error ? [] : await work.broken()
    const told = [output === '' ? '[nothing]' : output, ...(broken.length > 0 ? [brokenText(broken)] : [])].join('\n')
    const shown = { ok: !error, output: told, truncated }
    const more = broken.length > 0 ? { ...(data as object), newProblems: broken } : data
    return {
      work,
      result: answer({ ...shown, ...(more === undefined ? {} : { data: more }), ...(error ? { error } : {}) }),
    }
  } catch (error) {
    if (error instanceof ToolFailure) return { work, result: refuse(error.code, error.message, error.hint) }
    const fault = faultOf(error)
    if (fault.code === 'disk_full' || fault.code === 'need_layers') throw error
    return { work, result: refuse(fault.code, fault.message) }
  }
}

/** What a call did becomes a snapshot; what failed half-way, or is more than can be stored, is undone. */
export function conclude(
  workspace: Workspace,
  { result, work }: Called,
  head: Snapshot,
): { result: CallResult; captured?: Captured | undefined } {
  const reach = work?.reach() ?? 'nothing'
  let shown = result
  try {
    if (result.ok || reach === 'nothing' || work?.standsWhenFailed())
      return { result, captured: workspace.capture(reach === 'anything' ? undefined : (work?.written ?? [])) }
  } catch (error) {
    if (!(error instanceof ToolFailure) || error.code !== 'workspace_too_large') throw error
    shown = undone(result, error)
  }
  workspace.settle(head)
  return { result: shown }
}

const undone = (result: CallResult, { code, message, hint }: ToolFailure): CallResult => ({
  ...result,
  ok: false,
  output: `${result.output}\n[${message}; what the call did to the files was undone]${hint ? `\n${hint}` : ''}`,
  error: { code, message, ...(hint ? { hint } : {}) },
})
