/** One file read by its syntax: its definitions and its problems, or its definitions line by line without a grammar. */
import { languageOf } from '../code/languages.ts'
import { definitionsIn } from '../code/symbols.ts'
import type { Defined, Syntax } from '../define.ts'
import { definitionsOf } from './definitions.ts'
import { withTree } from './grammars.ts'
import { syntaxProblems } from './problems.ts'

export async function readSyntax(path: string, text: string): Promise<Syntax> {
  const language = languageOf(path)
  const lines = text === '' ? 0 : text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
  const known = { lines, ...(language ? { language: language.name } : {}) }
  const parsed = await withTree(path, text, (root, grammar) => ({
    definitions: definitionsOf(root, grammar, text),
    problems: syntaxProblems(root, text),
  }))
  return { ...known, ...(parsed ?? { definitions: language ? byLines(text, language.family) : [] }) }
}

/** Each ends where the next of the same or a lesser indentation begins. */
function byLines(text: string, family: Parameters<typeof definitionsIn>[1]): Defined[] {
  const lines = text.split(/\r?\n/)
  const found = definitionsIn(lines, family)
  return found.map(({ name, kind, line, indent }, at) => {
    const next = found.slice(at + 1).find((other) => other.indent <= indent)
    const signature = (lines[line - 1] ?? '').trim().slice(0, 160)
    const depth = indent === 0 ? 0 : 1
    return { name, kind, line, end: next ? next.line - 1 : lines.length, signature, depth }
  })
}
