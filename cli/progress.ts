/** A run's events as lines: plan, tool calls with what they are about, what the model says in between, and what it costs. */
import type { EventView } from './contract.ts'
import { bold, cyan, dim, green, oneLine, red, type Screen, seconds, yellow } from './output.ts'

type Data = Record<string, unknown>

export class Progress {
  turns = 0
  costUsd = 0
  doing = 'starting'
  private readonly started = Date.now()
  private heardAt = Date.now()
  private readonly about = new Map<string, string>()
  private readonly screen: Screen

  constructor(screen: Screen) {
    this.screen = screen
  }

  get elapsedMs(): number {
    return Date.now() - this.started
  }

  get quietMs(): number {
    return Date.now() - this.heardAt
  }

  show({ type, data }: EventView): void {
    this.heardAt = Date.now()
    switch (type) {
      case 'message.delta':
        this.doing = oneLine(text(data, 'text'), 60) || this.doing
        return
      case 'message.completed':
        this.message(data)
        return
      case 'plan.updated':
        this.plan(data.items as { text: string; status: string }[])
        return
      case 'approval.requested':
        this.about.set(text(data, 'callId'), subject(text(data, 'tool'), text(data, 'preview')))
        return
      case 'tool.started': {
        const about = subject(text(data, 'tool'), text(data, 'preview'))
        this.about.set(text(data, 'callId'), about)
        this.doing = oneLine(`${text(data, 'tool')} ${about}`, 70)
        return
      }
      case 'tool.completed':
        this.tool(data)
        return
      case 'run.waiting':
        if (data.kind === 'rate_limit' || data.kind === 'budget')
          this.screen.print(
            yellow(
              `waiting (${text(data, 'kind')}) until ${new Date(String(data.until)).toLocaleTimeString()}: ${oneLine(text(data, 'reason'), 120)}`,
            ),
          )
        return
      case 'run.resumed':
        this.doing = 'thinking'
        return
      default:
    }
  }

  private message(data: Data): void {
    if (data.role !== 'assistant') {
      this.screen.print(dim(`  ${text(data, 'from')}: ${oneLine(text(data, 'text'), 160)}`))
      return
    }
    this.turns++
    this.costUsd += (data.usage as { costUsd?: number } | undefined)?.costUsd ?? 0
    this.doing = 'thinking'
    if (text(data, 'text') && Number(data.calls) > 0) this.screen.print(`  ${dim(oneLine(text(data, 'text'), 200))}`)
  }

  private plan(items: { text: string; status: string }[]): void {
    const mark: Record<string, string> = { done: green('●'), active: yellow('◐') }
    this.screen.print(bold('plan'))
    for (const { text: item, status } of items)
      this.screen.print(`  ${mark[status] ?? '○'} ${status === 'done' ? dim(oneLine(item)) : oneLine(item)}`)
  }

  private tool(data: Data): void {
    const [tool, callId] = [text(data, 'tool'), text(data, 'callId')]
    this.doing = 'thinking'
    if (tool === 'update_plan' && data.ok) return
    const about = oneLine(this.about.get(callId) ?? '', 70)
    this.about.delete(callId)
    const note = data.ok ? '' : red(oneLine((data.error as { message?: string } | undefined)?.message ?? 'failed', 100))
    const parts = [
      data.ok ? green('✓') : red('✗'),
      oneLine(tool, 40),
      about && cyan(about),
      dim(seconds(Number(data.durationMs ?? 0))),
      note,
    ]
    this.screen.print(parts.filter(Boolean).join(' '))
  }
}

const text = (data: Data, key: string): string => (typeof data[key] === 'string' ? data[key] : '')

/** What a call is about: its path, command, pattern or question, not all of its arguments. */
export function subject(tool: string, preview: string): string {
  try {
    const input = JSON.parse(preview) as Data
    if (tool === 'apply_patch')
      return [...text(input, 'patch').matchAll(/^\*\*\* \w+ File: (.+)$/gm)].map((match) => match[1]).join(', ')
    for (const key of ['path', 'command', 'pattern', 'query', 'question', 'message', 'filter'])
      if (text(input, key)) return text(input, key)
    return Array.isArray(input.paths) ? input.paths.join(', ') : ''
  } catch {
    // A preview of long arguments is cut and no JSON any more.
    return /"(?:path|command|pattern)":"((?:[^"\\]|\\.)*)/.exec(preview)?.[1] ?? ''
  }
}
