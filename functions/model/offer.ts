/**
 * Which model stands in for one that is not there any more: what the catalogue says of a retired one, else the next in
 * the stated order. The server's own list decides where it is known; one that knows none of our models is no help, and
 * is left aside.
 */
import { isScripted } from './catalogue.ts'
import { RETIRED } from './models.ts'

export type Chosen = { model: string /** why another stands in */; why?: string }

/** `order` begins with the model that is wanted. `offered` is the server's list, where it is known. */
export function choose(order: readonly string[], offered: ReadonlySet<string> | undefined): Chosen {
  const [wanted = ''] = order
  if (isScripted(wanted)) return { model: wanted }
  const retired = RETIRED[wanted]
  const there = listed([wanted, ...(retired ? [retired.instead] : []), ...order.slice(1)], offered)
  if (there[0] === wanted) return { model: wanted }
  const [model] = there
  if (model === undefined) return { model: wanted }
  return {
    model,
    why: `${wanted} ${retired ? `was retired on ${retired.since}` : 'is not on the list of the server'}; ${model} stands in`,
  }
}

/** Those of the list that are there, in its order. */
export function listed(order: readonly string[], offered: ReadonlySet<string> | undefined): string[] {
  const known = offered && order.some((id) => offered.has(id)) ? offered : undefined
  return order.filter((id) => (known ? known.has(id) : !RETIRED[id]))
}

/** What is said at the start of models that are asked for and not there: one line each. Fall-backs may be missing. */
export function complaints(
  { strong, fast, fallbacks }: { strong: string; fast: string; fallbacks: readonly string[] },
  offered: ReadonlySet<string>,
): string[] {
  const order = [strong, fast, ...fallbacks]
  return [...new Set([strong, fast])].flatMap((id) => choose([id, ...order], offered).why ?? [])
}
