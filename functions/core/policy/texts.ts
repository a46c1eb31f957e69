/** Programs that take a program as an argument: sed, awk, jq, printf, test. Their text decides what they do. */
import type { Finding } from './effects.ts'
import { means, readOptions, words } from './options.ts'
import { readingOf, secretText, writingTo } from './places.ts'
import { posing, readerRule } from './readers.ts'
import { found, present, type Rule } from './rule.ts'
import { readSed } from './sed.ts'

const sed: Rule = (call) => {
  const { args, part } = call
  const { options, operands } = readOptions(args, words('e expression f file l line-length'))
  const scripts = options.filter(({ name, long }) => name === 'e' || (long && 'expression'.startsWith(name)))
  const own = scripts.length === 0 ? operands.slice(0, 1) : scripts.map(({ value }) => value)
  const files = scripts.length === 0 ? operands.slice(1) : operands
  const inPlace = options.some((option) => means(option, words('i in-place')))
  return present([
    ...(options.some((option) => means(option, words('f file')))
      ? found('indirect', 'the sed script is in a file', part)
      : []),
    ...own.flatMap((script) => sedScript(script?.value, part)),
    ...files.map((arg) => (inPlace ? writingTo(arg, part) : readingOf(arg, part))),
    ...(inPlace ? found('changes', 'sed -i changes files', part) : []),
    ...posing(args, part),
  ])
}

function sedScript(script: string | undefined, part: string): Finding[] {
  if (script === undefined) return found('runs', 'the sed script is not in the line', part)
  const does = readSed(script)
  if (does === 'reads') return []
  if (does === 'runs') return found('indirect', 'the sed script runs commands', part)
  if (does === 'unknown') return found('runs', 'the sed script may do more than print', part)
  const arg = { text: does.file, value: does.file, shape: does.file, pattern: undefined, home: false, bare: true }
  const files = present([writingTo(arg, part), readingOf(arg, part)])
  return [...files, ...found('indirect', 'the sed script opens files', part)]
}

const AWK_RUNS = /system\s*\(|getline|\||@\s*(load|include)|\bENVIRON\b|\/inet/
const awk: Rule = ({ args, part, program }) => {
  const { options, operands } = readOptions(
    args,
    words('F v f e i l field-separator assign file source include load'),
    false,
  )
  const inFile = options.find(({ name }) => /^(f|file|i|include|l|load|E|exec)$/.test(name))
  const script = operands[0]
  const text = script?.shape ?? ''
  // In a regexp or a string `|` means nothing, but that is for awk to know: `||` alone is certain.
  const runs = AWK_RUNS.test(text.replace(/\|\|/g, '').replace(/"[^"|]*"/g, '""'))
  return present([
    ...(inFile ? [inFile.value && readingOf(inFile.value, part)] : []),
    ...(inFile ? found('indirect', `the ${program} program is in a file`, part) : []),
    ...(/ENVIRON/.test(text) ? found('harms', 'prints the environment', part) : []),
    ...(runs ? found('indirect', `the ${program} program runs commands`, part) : []),
    ...(/>/.test(text.replace(/>=|[\w)\]] > [\w$"]/g, ''))
      ? found('changes', `the ${program} program may write files`, part)
      : []),
    ...(secretText(text) ? found('harms', 'may read secrets', part) : []),
    ...operands.slice(1).map((arg) => readingOf(arg, part)),
    ...found('runs', `${program} runs a program of its own`, part),
  ])
}

const JQ_TWO = words('--arg --argjson')
const jq: Rule = ({ args, part, program }) => {
  // `--arg name value` takes two words, which are text.
  const rest = args.filter((arg, i) => ![arg, args[i - 1], args[i - 2]].some((word) => JQ_TWO.has(word?.shape ?? '')))
  const { options, operands } = readOptions(rest, words('indent'))
  const files = options.filter(
    (option) =>
      means(option, words('f L from-file library-path rawfile slurpfile argfile run-tests args jsonargs')) ||
      option.name === 'in-place' ||
      (program === 'yq' && option.name === 'i'),
  )
  const filter = operands[0]?.value
  return present([
    ...(files.length > 0
      ? found('runs', `${program} ${files[0]?.arg.text} reads what the line does not show`, part)
      : []),
    ...(files.length > 0 ? operands.map((arg) => readingOf(arg, part)) : []),
    ...(filter !== undefined && /\$ENV|\$__prog|(^|[^.\w$])env\b|@sh\s*"|get_search_list/.test(filter)
      ? found('harms', 'prints the environment', part)
      : []),
    ...(filter === undefined ||
    /\b(import|include|modulemeta|input_filename|debug|stderr|halt|load|system|exec)\b/.test(filter)
      ? found('runs', `the ${program} filter may do more than read`, part)
      : []),
    ...operands.slice(1).map((arg) => readingOf(arg, part)),
  ])
}

const printf: Rule = ({ args, part }) =>
  args[0]?.shape.startsWith('-v') ? found('indirect', 'printf -v sets a variable', part) : []

/** `-v` and `-R` look a variable up, and run what stands in its subscript. */
const test: Rule = ({ args, part }) =>
  args.some(({ shape }) => /^-[vR]$/.test(shape)) ||
  args.some(({ shape, value }) => value !== undefined && /\[.*[$`]/.test(shape))
    ? found('indirect', 'test -v may run what a subscript holds', part)
    : present(args.map((arg) => (/^(-\w+|[=!<>()[\]]+|-)$/.test(arg.shape) ? undefined : testedFile(args, arg, part))))

const testedFile = (
  args: Parameters<Rule>[0]['args'],
  arg: (typeof args)[number],
  part: string,
): Finding | undefined => {
  const before = args[args.indexOf(arg) - 1]?.shape ?? ''
  if (!/^-[a-hkprstuwxGLNOS]$|^-(nt|ot|ef)$/.test(before)) return undefined
  const finding = readingOf(arg, part)
  return finding?.effect === 'harms' && !/^[/~]/.test(arg.shape) ? undefined : finding
}

const date: Rule = (call) => {
  const { args, part } = call
  const base = readerRule({ text: 'd date', file: 'r reference', refused: 's f set file', plain: 1 })(call)
  const sets = readOptions(args, words('d date r reference')).operands.some(({ shape }) => !shape.startsWith('+'))
  return sets ? [...base, ...found('harms', 'sets the clock', part)] : base
}

export const TEXTS: Record<string, Rule> = {
  sed,
  gsed: sed,
  awk,
  gawk: awk,
  mawk: awk,
  nawk: awk,
  jq,
  printf,
  test,
  '[': test,
  date,
}
