/**
 * Rules that a server or a repo adds. What is stricter is found generously (the words of a rule may stand anywhere
 * behind the program), what is milder narrowly (they stand first and the whole line's words are certain), and nothing
 * makes what hides or harms milder.
 */
import type { PolicyRule } from '../rules.ts'
import type { Verdict } from '../types.ts'
import { type Finding, stricter } from './effects.ts'
import type { Judge } from './line.ts'
import type { Call } from './rule.ts'

/** `repo` comes out of the repo itself: whatever it allows counts for nothing. */
export type Added = { server?: readonly PolicyRule[]; repo?: readonly PolicyRule[] }

/** What a rule may let through; what hides, harms or is done by another's hands stays as it is. */
const MILDER: ReadonlySet<Finding['effect']> = new Set(['changes', 'runs', 'reaches'])
const narrowing = (rule: PolicyRule): boolean => rule.decision !== 'allow'
const inForce = ({ server = [], repo = [] }: Added): PolicyRule[] => [...server, ...repo.filter(narrowing)]
const reasonOf = ({ reason, decision }: PolicyRule, what: string): string =>
  reason ?? (decision === 'allow' ? `${what} is allowed by a rule` : `a rule holds ${what} back`)

export function withRules(judge: Judge, added: Added): Judge {
  const rules = inForce(added).filter(({ command }) => command !== undefined)
  if (rules.length === 0) return judge
  return (call) => {
    const own = judge(call)
    const strict = rules.filter((rule) => narrowing(rule) && isMeant(rule, call)).map((rule) => finding(rule, call))
    if (strict.length > 0) return [...strict, ...own]
    const milder = own.every(({ effect }) => MILDER.has(effect))
    return milder && rules.some((rule) => !narrowing(rule) && isExactly(rule, call)) ? [] : own
  }
}

const finding = (rule: PolicyRule, { part }: Call): Finding => ({
  effect: rule.decision === 'deny' ? 'harms' : 'reaches',
  reason: reasonOf(rule, rule.command ?? 'it'),
  part,
})

const wordsOf = ({ command = '' }: PolicyRule): string[] => command.trim().split(/\s+/)
const nameOf = (program: string): string => program.slice(program.lastIndexOf('/') + 1)

/** The program, and behind it all words of the rule in their order, whatever stands between them. */
function isMeant(rule: PolicyRule, { program, args }: Call): boolean {
  const [name = '', ...rest] = wordsOf(rule)
  if (program !== name && nameOf(program) !== name) return false
  let next = 0
  for (const { shape } of args) if (shape === rest[next]) next++
  return next === rest.length
}

function isExactly(rule: PolicyRule, { program, args }: Call): boolean {
  const [name, ...rest] = wordsOf(rule)
  return program === name && rest.every((word, i) => args[i]?.value === word && !args[i]?.pattern)
}

/** What rules about a tool or the paths it writes make of its verdict. */
export function ruled(verdict: Verdict, tool: string, paths: string[], added: Added): Verdict {
  const hits = inForce(added).filter(
    (rule) => rule.tool === tool || (rule.path !== undefined && paths.some((path) => isIn(path, rule.path ?? ''))),
  )
  const strict = hits.filter(narrowing).map(
    (rule): Verdict => ({
      decision: rule.decision,
      reason: reasonOf(rule, rule.path ?? tool),
      ...(rule.path ? { part: rule.path } : {}),
    }),
  )
  if (strict.length > 0) return strict.reduce(stricter, verdict)
  const [mild] = hits
  return mild && verdict.decision === 'approve'
    ? { decision: 'allow', reason: reasonOf(mild, mild.path ?? tool) }
    : verdict
}

const plain = (path: string): string[] => path.split('/').filter((name) => name !== '' && name !== '.')
function isIn(path: string, folder: string): boolean {
  const names = plain(path)
  const begin = plain(folder)
  return begin.length > 0 && begin.every((name, i) => names[i] === name)
}
