/**
 * Reads a command line with a real shell parser and judges every simple command in it by itself, wherever it stands:
 * pipes, lists, substitutions, loops, here-documents, scripts given as arguments. What cannot be read is refused; what
 * is longer or deeper than the bounds is refused too, so that nothing hides behind its size.
 */
import {
  type Assignment,
  type Command,
  forEachChild,
  type ParsedScript,
  parse,
  type Redirection,
  type Statement,
  type SyntaxNode,
  type Word,
} from 'unbash'
import { COMMAND_CHARS_MAX, COMMAND_DEPTH_MAX, COMMAND_PART_CHARS_MAX, COMMANDS_PER_LINE_MAX } from '../limits.ts'
import type { Finding } from './effects.ts'
import { assigning, SECRET_NAME } from './environment.ts'
import { arithmetic, testIn } from './evaluated.ts'
import { secretText } from './places.ts'
import { redirected } from './redirects.ts'
import { type Call, found, present, type Stdin } from './rule.ts'
import { INVALID, isSeen, isWhole, passedOver } from './sound.ts'
import { type Arg, argOf } from './words.ts'

/** Judges one simple command. */
export type Judge = (call: Call) => Finding[]
/** What is known while a line is read. `at` is the text that positions count in. */
type Line = { judge: Judge; commands: number; moved: boolean }
type Place = { line: Line; at: string; depth: number; stdin: Stdin }

const NOTHING: Stdin = { from: 'nothing' }
const FETCHERS = /^(curl|wget|fetch|https?|nc|ncat|netcat|socat|ssh|aria2c|lynx|w3m)$/
const COMPOUND = new Set(['If', 'For', 'ArithmeticFor', 'Select', 'While', 'Subshell', 'BraceGroup', 'Case'])

export const findingsOf = (text: string, judge: Judge): Finding[] =>
  scriptIn(text, { line: { judge, commands: 0, moved: false }, at: text, depth: 0, stdin: NOTHING })

function scriptIn(text: string, place: Place): Finding[] {
  if (text.length > COMMAND_CHARS_MAX)
    return [{ effect: 'harms', reason: `the line has more than ${COMMAND_CHARS_MAX} characters: put it into a file` }]
  if (!isSeen(text)) return [{ effect: 'harms', reason: 'the line has control or invisible characters' }]
  if (place.depth > COMMAND_DEPTH_MAX) return [{ effect: 'harms', reason: 'scripts within scripts go too deep' }]
  return parsed(parse(text), { ...place, at: text, depth: place.depth + 1 })
}

function parsed(script: ParsedScript | undefined, place: Place): Finding[] {
  const at = script?.source ?? place.at
  return script && isWhole(script, at) ? listIn(script.commands, { ...place, at }) : [INVALID]
}

const listIn = (statements: readonly Statement[], place: Place): Finding[] =>
  statements.flatMap((statement) => [
    ...nodeIn(statement.command, place),
    ...(statement.background ? found('runs', 'runs in the background', partOf(statement, place)) : []),
  ])

function nodeIn(node: SyntaxNode, place: Place): Finding[] {
  // Refused already: what is left need not be read.
  if (place.line.commands > COMMANDS_PER_LINE_MAX) return []
  switch (node.type) {
    case 'AndOr':
      return node.commands.flatMap((command) => nodeIn(command, place))
    case 'Pipeline': {
      let { stdin } = place
      return node.commands.flatMap((command) => {
        const findings = nodeIn(command, { ...place, stdin })
        stdin = { from: stdin.from === 'network' || fetches(command) ? 'network' : 'pipe' }
        return findings
      })
    }
    case 'Redirected': {
      const { findings, stdin } = redirections(node.redirects, place)
      return [...findings, ...nodeIn(node.command, { ...place, stdin: stdin ?? place.stdin })]
    }
    case 'Command':
      return commandIn(node, place)
    case 'Function': {
      const name = node.name.text
      const bomb = holds(node.body, (child) => child.type === 'Statement' && child.background === true)
      const again = holds(node.body, (child) => child.type === 'Command' && child.name?.value === name)
      return [
        ...found('indirect', `${name} becomes a function`, partOf(node, place)),
        ...(bomb && again ? found('harms', `${name} starts itself again and again`, partOf(node, place)) : []),
        ...nodeIn(node.body, place),
      ]
    }
    case 'Coproc':
      return [...found('hides', 'a coprocess runs beside the shell', partOf(node, place)), ...nodeIn(node.body, place)]
    case 'TestCommand':
      return [
        ...testIn(node.expression, partOf(node, place)),
        ...expansions(node, place),
        ...found('runs', 'is a compound command', partOf(node, place)),
      ]
    case 'ArithmeticCommand':
      return [...arithmetic(node.body, partOf(node, place)), ...expansions(node, place)]
    case 'CompoundList':
      return listIn(node.commands, place)
    default:
      return compoundIn(node, place)
  }
}

function holds(node: SyntaxNode, wanted: (node: SyntaxNode) => boolean): boolean {
  if (wanted(node)) return true
  let any = false
  forEachChild(node, (child) => {
    any ||= holds(child, wanted)
  })
  return any
}
const fetches = (node: SyntaxNode): boolean =>
  holds(node, (child) => child.type === 'Command' && FETCHERS.test(child.name?.value ?? ''))

/** A loop or a choice: its words, and every list in it. */
function compoundIn(node: SyntaxNode, place: Place): Finding[] {
  const findings = COMPOUND.has(node.type) ? found('runs', 'is a compound command', partOf(node, place)) : []
  if (node.type === 'For' || node.type === 'Select')
    findings.push(...present([assigning(node.name.value, undefined, partOf(node, place))]))
  forEachChild(node, (child) => {
    if (child.type === 'Word') findings.push(...expansions(child, place), ...secretsIn(child, place))
    else if (child.type === 'CompoundList') findings.push(...listIn(child.commands, place))
    else if (child.type === 'Statement') findings.push(...listIn([child], place))
    else if (child.type.startsWith('Arithmetic'))
      findings.push(...arithmetic(partOf(child, place), partOf(node, place)))
    else findings.push(...compoundIn(child, place))
  })
  return findings
}

function commandIn(node: Command, place: Place): Finding[] {
  const part = partOf(node, place)
  const redirects = redirections(node.redirects, place)
  const findings = [
    ...node.prefix.flatMap((item) =>
      item.type === 'Assignment' ? assignmentIn(item, node.name === undefined, place) : [],
    ),
    ...redirects.findings,
    ...expansions(node, place),
  ]
  if (passedOver([...node.prefix, ...(node.name ? [node.name] : []), ...node.suffix], node, place.at))
    findings.push(INVALID)
  if (!node.name) return findings
  const args = node.args.map((arg) => (arg.type === 'Word' ? argOf(arg) : assignmentArg(arg)))
  const here: Place = { ...place, stdin: redirects.stdin ?? place.stdin }
  return [...findings, ...argvIn([argOf(node.name), ...args], part, here)]
}

/** One simple command, from a line or from the arguments of another. */
function argvIn(words: Arg[], part: string, place: Place): Finding[] {
  const [name, ...args] = words
  const { line } = place
  if (++line.commands > COMMANDS_PER_LINE_MAX)
    return [
      { effect: 'harms', reason: `the line holds more than ${COMMANDS_PER_LINE_MAX} commands: put them into a file` },
    ]
  if (!name) return []
  if (name.value === undefined || name.pattern || name.value === '')
    return found('hides', 'the program is not named in the line', part)
  if (!name.bare && !name.value.includes('/')) return found('hides', "the program's name is written in pieces", part)
  if (!/^[\x21-\x7e]+$/.test(name.value) && name.bare)
    return found('hides', "the program's name is not plain text", part)
  const odd = args.find((arg) => arg.value === undefined || (arg.bare && /[^\x20-\x7e]/.test(arg.value)))
  const findings = line.judge({
    program: name.value,
    args,
    part,
    stdin: place.stdin,
    moved: line.moved,
    command: (inner, stdin) => argvIn(inner, part, { ...place, stdin: stdin ?? NOTHING }),
    script: (text) => scriptIn(text, { ...place, stdin: NOTHING }),
  })
  if (/^(cd|pushd|popd)$/.test(name.value)) line.moved = true
  return [...findings, ...(odd ? found('runs', `${odd.text} is known only when it runs`, part) : [])]
}

function assignmentIn(node: Assignment, alone: boolean, place: Place): Finding[] {
  const part = partOf(node, place)
  const value = node.value.type === 'Word' ? argOf(node.value) : undefined
  const subscript = node.index && !/^\w*$/.test(node.index.text)
  return [
    ...(subscript ? found('indirect', 'a subscript may run what it holds', part) : []),
    ...present([assigning(node.name, value, part)]),
    // A variable that stays is there for words to come.
    ...(alone ? found('runs', `sets ${node.name}`, part) : []),
  ]
}

/** `export a=b`: a word for the program, whatever the shell makes of it. */
function assignmentArg({ text, name, value }: Assignment): Arg {
  const arg = value.type === 'Word' ? argOf(value) : undefined
  const shape = `${name}=${arg?.shape ?? '\0'}`
  return {
    text,
    value: arg?.value === undefined ? undefined : shape,
    shape,
    pattern: undefined,
    home: arg?.home ?? false,
    bare: true,
  }
}

function redirections(redirects: readonly Redirection[], place: Place): { findings: Finding[]; stdin?: Stdin } {
  const all = redirects.map((redirect) => redirected(redirect, partOf(redirect, place)))
  const stdin = all.findLast((one) => one.stdin)?.stdin
  const findings = [
    ...redirects.flatMap((redirect) => expansions(redirect, place)),
    ...all.flatMap((one) => one.findings),
  ]
  return { findings, ...(stdin ? { stdin } : {}) }
}

/** What the shell fills in, anywhere in a node: its commands are judged too. */
function expansions(node: SyntaxNode, place: Place): Finding[] {
  const findings: Finding[] = []
  const visit = (child: SyntaxNode): void => {
    const part = partOf(child, place)
    if (child.type === 'CommandExpansion' || child.type === 'ArithmeticCommandExpansion') {
      findings.push(...found('runs', 'the shell fills in what a command prints', part))
      findings.push(...parsed(child.script, place))
      return
    }
    if (child.type === 'ProcessSubstitution') {
      findings.push(...found('runs', 'another command takes the place of a file', part))
      findings.push(
        ...parsed(child.script, { ...place, stdin: child.operator === '>' ? { from: 'pipe' } : place.stdin }),
      )
      return
    }
    if (child.type === 'SimpleExpansion' && SECRET_NAME.test(child.text))
      findings.push(...found('harms', `${child.text} may hold a secret`, part))
    if (child.type === 'ParameterExpansion') {
      const bends = child.prefix === '!' || child.operation?.type === 'Transform' || child.operation?.type === 'Unknown'
      if (bends) findings.push(...found('hides', `${child.text} means what another variable holds`, part))
      if (child.index && /[[$`]/.test(child.index.text))
        findings.push(...found('indirect', 'a subscript may run what it holds', part))
      if (child.prefix !== '#' && SECRET_NAME.test(child.parameter))
        findings.push(...found('harms', `${child.text} may hold a secret`, part))
      if (child.operation?.type === 'Default' && /=/.test(child.operation.operator))
        findings.push(...present([assigning(child.parameter, undefined, part)]))
    }
    if (child.type === 'ArithmeticExpansion') findings.push(...arithmetic(child.text.slice(3, -2), part))
    forEachChild(child, visit)
  }
  // The commands of a compound have their own turn; here it is words alone.
  forEachChild(node, (child) => {
    if (!/^(Redirect|HereDoc|HereString)$/.test(child.type)) visit(child)
  })
  if (node.type === 'Redirect' || node.type === 'HereDoc' || node.type === 'HereString') forEachChild(node, visit)
  return findings
}

/** `for f in .env; do cat $f`: the name is in the list. */
const secretsIn = (word: Word, place: Place): Finding[] =>
  secretText(word.text) ? found('harms', 'may hold secrets', partOf(word, place)) : []

const partOf = ({ pos, end }: { pos: number; end: number }, { at }: Place): string =>
  at.slice(pos, Math.min(end, pos + COMMAND_PART_CHARS_MAX))
