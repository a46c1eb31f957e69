/** A tool that runs in the functions, beside the run itself: it changes the run, asks a person, or asks the world. */
import type { ToolDefinition } from '../../sandbox-runner/catalogue.ts'
import type { PlanItem, Run, ToolError } from '../core/types.ts'
import type { Memory } from '../ports.ts'

/** What a function-side tool answers: a result, and what the run takes from it. */
export type Answer = {
  output: string
  data?: unknown
  error?: ToolError
  plan?: PlanItem[]
  /** The call stays open until a person answers. */
  question?: { question: string; choices: string[]; default?: string }
}

/** What a tool here may use beside its input. */
export type Beside = {
  run: Pick<Run, 'runId' | 'sessionId' | 'by' | 'repo'>
  /** Undefined: nothing is remembered here. */
  memory: Memory | undefined
}

export type FunctionTool<Input = unknown> = ToolDefinition<Input> & {
  run(input: Input, beside: Beside): Promise<Answer>
  /** Turns the forms that models were trained on into this tool's own, before the schema looks. */
  mend?: (input: unknown) => unknown
}

/** Declares a tool with its input type inferred from the schema. */
export const defineTool = <Input>(tool: FunctionTool<Input>): FunctionTool => tool as FunctionTool
