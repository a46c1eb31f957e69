/** A tool that runs in the functions, beside the run itself: it changes the run, asks a person, or asks the world. */
import type { ToolDefinition } from '../../sandbox-runner/catalogue.ts'
import type { Message, PlanItem, Run, SnapshotRef, ToolError, Verdict } from '../core/types.ts'
import type { Carrier, Forge, ForgeRefusal, Memory } from '../ports.ts'

/** What a function-side tool answers: a result, and what the run takes from it. */
export type Answer = {
  output: string
  data?: unknown
  error?: ToolError
  plan?: PlanItem[]
  /** The call stays open until a person answers. */
  question?: { question: string; choices: string[]; default?: string }
}

/** What a tool may reach beside its input. */
export type Reach = {
  run: Run
  messages: readonly Message[]
  callId: string
  /** What `look` named, once policy and people have agreed to it. */
  looked?: string
  /** Undefined: nothing is remembered here. */
  memory: Memory | undefined
  forge?: Forge | undefined
  carrier?: Carrier | undefined
  workspace: {
    runId: string
    workspaceId: string
    fence: number
    head: SnapshotRef
    layers: Parameters<Carrier['push']>[0]['layers']
    signal: AbortSignal
  }
  /** Performs an effect outside that changes nothing when it is done again; its outcome is told from the journal. */
  outside<T>(effect: string, perform: () => Promise<T>): Promise<T>
  /** For a refusal that may be none the next time: throws, and the step is tried again, while tries are left. */
  again(refusal: ForgeRefusal): ForgeRefusal
}

/** `key`: what exactly the verdict is about; an approval holds for it alone. */
export type Look = { answer: Answer } | { verdict: Verdict; key: string; preview: string }

export type FunctionTool<Input = unknown> = ToolDefinition<Input> & {
  run(input: Input, reach: Reach): Promise<Answer>
  /** Comes before the verdict on the call, and makes it: what the call would do can only be said by looking. */
  look?: (input: Input, reach: Reach) => Promise<Look>
  /** Turns the forms that models were trained on into this tool's own, before the schema looks. */
  mend?: (input: unknown) => unknown
}

/** Nothing can be said now: the step is tried again. */
export class TryAgain extends Error {
  readonly refusal: ForgeRefusal
  constructor(refusal: ForgeRefusal) {
    super(refusal.message)
    this.refusal = refusal
  }
}

/** Declares a tool with its input type inferred from the schema. */
export const defineTool = <Input>(tool: FunctionTool<Input>): FunctionTool => tool as FunctionTool
