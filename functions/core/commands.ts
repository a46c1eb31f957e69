/**
 * The verdict on a command line. It is read by a shell parser, never matched as text: only a row of plain commands that
 * are known to read, with nothing in them that the shell would expand or redirect, runs unasked where nothing isolates
 * commands. A line the parser cannot read is refused.
 */
import { parse, type SyntaxNode, type Word } from 'unbash'
import type { Isolation, Verdict } from './types.ts'

const CONTROL =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u00a0\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]/
const READERS = new Set(
  'ls cat head tail wc grep stat du file pwd true echo basename dirname realpath cut tr nl diff cmp'.split(' '),
)
const GIT_READERS = new Set(['status', 'log', 'show', 'diff', 'rev-parse', 'ls-files', 'blame'])

export function judgeCommand(line: string, isolation: Isolation): Verdict {
  if (CONTROL.test(line)) return deny('the line has control or invisible characters')
  const script = parse(line)
  if (script.errors && script.errors.length > 0) return deny('the line is no valid shell command')
  if (isolation !== 'none') return { decision: 'allow', reason: `held in by the ${isolation}` }
  for (const statement of script.commands) {
    const doubt = statement.background ? statement : doubtIn(statement.command)
    if (doubt)
      return {
        decision: 'approve',
        reason: 'nothing isolates commands here',
        part: line.slice(doubt.pos, Math.min(doubt.end, doubt.pos + 200)),
      }
  }
  return { decision: 'allow', reason: 'only reads the workspace' }
}

/** The first part that is not known to be harmless. */
function doubtIn(node: SyntaxNode): SyntaxNode | undefined {
  if (node.type === 'AndOr' || node.type === 'Pipeline') {
    const found = node.commands.map((part) => doubtIn(part))
    return found.find((part) => part !== undefined)
  }
  if (node.type !== 'Command' || node.prefix.length > 0) return node
  const words = [node.name, ...node.suffix].map((word) => (word?.type === 'Word' ? literal(word) : undefined))
  const [program, ...args] = words
  if (program === undefined || words.includes(undefined)) return node
  return reads(program, args as string[]) ? undefined : node
}

function reads(program: string, args: string[]): boolean {
  if (
    args.some(
      (arg) =>
        arg.startsWith('/') || arg.startsWith('~') || /(^|[/=])\.\.(\/|$)/.test(arg) || /(^|\/)\.(env|git)\b/.test(arg),
    )
  )
    return false
  if (program === 'git')
    return (
      GIT_READERS.has(args[0] ?? '') &&
      !args.some((arg) => /^--(output|ext-diff|textconv|exec-path|git-dir|work-tree)/.test(arg) || arg === '-c')
    )
  return READERS.has(program) && !(program === 'diff' && args.some((arg) => arg.startsWith('--to-file')))
}

/** The word as the shell will see it, or undefined when the shell would make something else of it. */
function literal(word: Word): string | undefined {
  if (!word.parts || word.parts.length === 0) return /[*?[\]{}$`~\\!]/.test(word.text) ? undefined : word.value
  const plain = word.parts.every(
    (part) =>
      part.type === 'SingleQuoted' ||
      (part.type === 'Literal' && !/[*?[\]{}~\\]/.test(part.text)) ||
      (part.type === 'DoubleQuoted' && part.parts.every((inner) => inner.type === 'Literal')),
  )
  return plain ? word.value : undefined
}

const deny = (reason: string): Verdict => ({ decision: 'deny', reason })
