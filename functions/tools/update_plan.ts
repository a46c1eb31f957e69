import { z } from 'zod'
import { PlanItem } from '../core/types.ts'
import { defineTool } from './define.ts'

const ITEMS_MAX = 20

export const updatePlan = defineTool({
  name: 'update_plan',
  category: 'run control',
  description: 'Set the plan: all its items, with their status.',
  input: z.object({ items: z.array(PlanItem).min(1).max(ITEMS_MAX) }),
  risk: 'read',
  changes: false,
  repeat: 'safe',
  timeoutMs: 1000,
  mend: (input) => {
    const { items, plan, steps } = input as Record<string, unknown>
    const list = items ?? plan ?? steps
    return Array.isArray(list) ? { items: list.map(mendItem) } : input
  },
  async run({ items }) {
    const left = items.filter((item) => item.status !== 'done').length
    return { output: left === 0 ? 'Plan updated; all done.' : `Plan updated; ${left} to do.`, plan: items }
  },
})

const STATUS: Record<string, PlanItem['status']> = {
  pending: 'pending',
  todo: 'pending',
  not_started: 'pending',
  open: 'pending',
  active: 'active',
  in_progress: 'active',
  current: 'active',
  doing: 'active',
  running: 'active',
  done: 'done',
  completed: 'done',
  complete: 'done',
  finished: 'done',
}

/** An item as other harnesses have it: a bare string, or `step`, `title`, `content` … with their words for a status. */
function mendItem(item: unknown): unknown {
  if (typeof item === 'string') return { text: item, status: 'pending' }
  if (typeof item !== 'object' || item === null) return item
  const found = item as Record<string, unknown>
  const text = found.text ?? found.step ?? found.title ?? found.content ?? found.task ?? found.description ?? found.name
  const word = String(found.status ?? found.state ?? (found.done === true ? 'done' : 'pending'))
    .toLowerCase()
    .replace(/[ -]/g, '_')
  return { text, status: STATUS[word] ?? found.status }
}
