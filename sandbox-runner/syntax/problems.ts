/**
 * What in a file is no valid syntax, by its tree. A parser goes on after an error, so one missing bracket may show at
 * several places: the first of each knot is told, and no more than a reader can use.
 */
import type { Problem } from '../define.ts'
import type { Node } from './grammars.ts'

const PROBLEMS_MAX = 20
const SHOWN_CHARS = 40
const DEPTH_MAX = 400

export function syntaxProblems(root: Node, text: string): Problem[] {
  const found: Problem[] = []
  const visit = (node: Node, depth: number): void => {
    if (!node.hasError || found.length >= PROBLEMS_MAX || depth > DEPTH_MAX) return
    if (node.isMissing || node.isError) found.push(problemAt(node, text))
    // What is inside an error is the same error.
    if (node.isError) return
    for (const child of node.children) if (child) visit(child, depth + 1)
  }
  visit(root, 0)
  return found
}

function problemAt(node: Node, text: string): Problem {
  const { row, column } = node.startPosition
  const place = { line: row + 1, column: column + 1, source: 'syntax' }
  if (node.isMissing) return { ...place, text: `syntax error: ${node.type} is missing` }
  const said = text
    .slice(node.startIndex, Math.max(node.endIndex, node.startIndex + 1))
    .split('\n')[0]
    ?.trim()
    .slice(0, SHOWN_CHARS)
  return { ...place, text: said ? `syntax error at ${said}` : 'syntax error' }
}

/** Those of `after` that were not there before; lines may have moved, so what they say and how often decides. */
export function freshProblems(before: readonly Problem[], after: readonly Problem[]): Problem[] {
  const left = new Map<string, number>()
  const keyOf = ({ source, text }: Problem) => `${source} ${text}`
  for (const problem of before) left.set(keyOf(problem), (left.get(keyOf(problem)) ?? 0) + 1)
  return after.filter((problem) => {
    const count = left.get(keyOf(problem)) ?? 0
    left.set(keyOf(problem), count - 1)
    return count <= 0
  })
}
