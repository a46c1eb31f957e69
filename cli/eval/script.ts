/**
 * What the scripted model says to a task whose solution is known: look, read, mend by patch, run the check, tell. It
 * tries the plumbing and counts tokens as a real run of that length would have them; it says nothing about a model.
 */
import type { Files, Task } from './tasks.ts'

type Turn = { text?: string; calls?: { name: string; arguments: object }[] }

const CONTEXT_LINES = 3

/** The task's text with its script in a block, as the bundled scripted model reads it. */
export function withScript(task: Task): string {
  return `${task.task}\n\n\`\`\`script\n${JSON.stringify(scriptOf(task))}\n\`\`\``
}

function scriptOf({ start = [], solution, name }: Task): Turn[] {
  const before = new Map(start.map(({ path, content }) => [path, content]))
  const known = solution.filter(({ path }) => before.has(path)).map(({ path }) => path)
  const call = (tool: string, args: object): Turn => ({ calls: [{ name: tool, arguments: args }] })
  return [
    call('list_files', { limit: 50 }),
    ...known.map((path) => call('read_file', { path })),
    call('apply_patch', { patch: patchOf(before, solution) }),
    call('git_diff', {}),
    { text: `Solved "${name}" as its solution has it: ${solution.map(({ path }) => path).join(', ')}.` },
  ]
}

/** One hunk a file, between what both versions begin and end with. */
export function patchOf(before: Map<string, string>, solution: Files): string {
  const parts = solution.map(({ path, content }) => {
    const old = before.get(path)
    if (old === undefined) return `*** Add File: ${path}\n${marked('+', linesOf(content))}`
    const [from, to] = [linesOf(old), linesOf(content)]
    let head = 0
    while (head < Math.min(from.length, to.length) && from[head] === to[head]) head++
    let tail = 0
    while (tail < Math.min(from.length, to.length) - head && from.at(-1 - tail) === to.at(-1 - tail)) tail++
    const first = Math.max(0, head - CONTEXT_LINES)
    const after = Math.min(CONTEXT_LINES, tail)
    const kept = from.slice(from.length - tail, from.length - tail + after)
    return [
      `*** Update File: ${path}\n@@\n`,
      marked(' ', from.slice(first, head)),
      marked('-', from.slice(head, from.length - tail)),
      marked('+', to.slice(head, to.length - tail)),
      marked(' ', kept),
    ].join('')
  })
  return `*** Begin Patch\n${parts.join('')}*** End Patch`
}

const linesOf = (text: string): string[] => text.replace(/\n$/, '').split('\n')
const marked = (mark: string, lines: string[]): string => lines.map((line) => `${mark}${line}\n`).join('')
