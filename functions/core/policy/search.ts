/** grep, rg and find: readers with a pattern, some of whose options run programs or write files. */
import type { Finding } from './effects.ts'
import { means, type Option, readOptions, words } from './options.ts'
import { isRoot, namingOf, readingOf, removing, writingTo } from './places.ts'
import { posing } from './readers.ts'
import { found, indirectly, present, type Rule } from './rule.ts'
import type { Arg } from './words.ts'

const GREP_TEXT = words(
  'e A B C m d D regexp after-context before-context context max-count label include exclude exclude-dir binary-files directories devices group-separator',
)
const GREP_FILE = words('f file exclude-from')
const COUNTS = words('l L c q files-with-matches files-without-match count quiet silent')
const GREP_VALUED = new Set([...GREP_TEXT, ...GREP_FILE])

const grep: Rule = ({ args, part }) => {
  const { options, operands } = readOptions(args, GREP_VALUED)
  const patterns = options.filter(({ name }) => /^(e|regexp)$/.test(name)).map(({ value }) => value)
  const fromFile = options.filter(({ name }) => GREP_FILE.has(name))
  const own = patterns.length === 0 && fromFile.length === 0
  const files = own ? operands.slice(1) : operands
  const asked = own ? operands.slice(0, 1) : patterns
  const recursive = options.some(
    (option) => means(option, words('r R recursive dereference-recursive')) || /^(d|directories)$/.test(option.name),
  )
  const telling =
    !options.some((option) => COUNTS.has(option.name)) &&
    (fromFile.length > 0 || inverts(options) || asked.some(couldTell))
  return present([
    ...options.map(({ name, value }) => named(name, value, part)),
    ...options.flatMap(({ vague }) => (vague ? found('runs', 'grep is given a shortened option', part) : [])),
    ...fromFile.map(({ value, arg }) => readingOf(value ?? arg, part)),
    ...files.map((arg) => (telling ? readingOf(arg, part) : narrow(readingOf(arg, part)))),
    ...(recursive && telling && reachesHidden(files) ? HIDDEN(part) : []),
  ])
}

/** `--include=.env` is a file that is asked for by name. */
const named = (name: string, value: Arg | undefined, part: string): Finding | undefined => {
  const finding =
    /^(include|g|glob|iglob)$/.test(name) && value && !value.shape.startsWith('!') ? readingOf(value, part) : undefined
  return finding?.effect === 'harms' ? finding : undefined
}

/** A pattern that could print the line of a secret: anything short, open, or that sounds like one. */
const couldTell = (pattern: Arg | undefined): boolean => {
  const text = pattern?.value
  if (text === undefined || /key|secret|token|pass|pwd|auth|cred|api|url|host|user|=|private|begin/i.test(text))
    return true
  return !text
    .split(/\\?\|/)
    .every((branch) => /[A-Za-z]{3,}/.test(branch.replace(/\\[A-Za-z]|\[[^\]]*\]|\{[^}]*\}/g, '')))
}
const inverts = (options: Option[]): boolean => options.some((option) => means(option, words('v invert-match')))
/** `*` among other files: only what is printed matters. */
const narrow = (finding: Finding | undefined): Finding | undefined => (finding?.effect === 'runs' ? undefined : finding)
/** The root, or all of it: there are the files whose names begin with a dot. */
const reachesHidden = (files: Arg[]): boolean =>
  files.length === 0 || files.some(({ shape }) => isRoot(shape) || /(^|\/)\.[*?[]/.test(shape))
const HIDDEN = (part: string) => found('runs', 'reads every file there, also those that may hold secrets', part)

const RG_TEXT = words(
  `e A B C m M g t T E d j r regexp after-context before-context context max-count max-columns glob iglob type type-not
   type-add type-clear encoding max-depth maxdepth threads replace color colors sort sortr context-separator
   field-match-separator field-context-separator path-separator max-filesize dfa-size-limit regex-size-limit engine
   generate hyperlink-format`,
)
const RG_FILE = words('f file ignore-file')
const RG_VALUED = new Set([...RG_TEXT, ...RG_FILE, 'pre', 'pre-glob', 'hostname-bin'])

const rg: Rule = (call) => {
  const { args, part } = call
  const { options, operands } = readOptions(args, RG_VALUED)
  const runs = options.find(
    ({ name }) => name === 'pre' || name === 'hostname-bin' || (name.length > 1 && 'hostname-bin'.startsWith(name)),
  )
  if (runs) return found('indirect', `rg --${runs.name} runs a program`, part)
  const patterns = options.filter(({ name }) => /^(e|regexp)$/.test(name)).map(({ value }) => value)
  const fromFile = options.filter(({ name }) => RG_FILE.has(name))
  const lists = options.some(({ name }) => /^(files|type-list|version|V|help|h|pcre2-version)$/.test(name))
  const own = !lists && patterns.length === 0 && fromFile.length === 0
  const files = own ? operands.slice(1) : operands
  const asked = own ? operands.slice(0, 1) : patterns
  const hidden = options.some(({ name }) => /^(u+|unrestricted|\.|hidden)$/.test(name))
  const telling =
    !lists &&
    !options.some(({ name }) => COUNTS.has(name) && name !== 'L') &&
    (fromFile.length > 0 || inverts(options) || asked.some(couldTell))
  return present([
    ...(options.some(({ name }) => /^(z|search-zip)$/.test(name))
      ? found('runs', 'rg -z runs decompressors', part)
      : []),
    ...options.map(({ name, value }) => named(name, value, part)),
    ...fromFile.map(({ value, arg }) => readingOf(value ?? arg, part)),
    ...files.map((arg) =>
      lists ? namingOf(arg, part) : telling ? readingOf(arg, part) : narrow(readingOf(arg, part)),
    ),
    ...(hidden && telling ? HIDDEN(part) : []),
    ...posing(args, part),
  ])
}

const FIND_ALONE = words(
  `-a -and -o -or -not ! ( ) , -true -false -print -print0 -ls -prune -quit -depth -d -mount -xdev -daystart -empty
   -executable -readable -writable -nouser -nogroup -follow -noleaf -ignore_readdir_race -noignore_readdir_race -help
   --help -version --version -H -L -P -warn -nowarn`,
)
const FIND_TEXT = words(
  `-name -iname -path -ipath -wholename -iwholename -regex -iregex -regextype -type -xtype -maxdepth -mindepth -size
   -mtime -atime -ctime -mmin -amin -cmin -perm -user -group -uid -gid -links -inum -fstype -used -printf -context -D
   -lname -ilname`,
)
const FIND_FILE = /^-(newer(..)?|anewer|cnewer|samefile)$/

const find: Rule = (call) => {
  const { args, part } = call
  const findings: (Finding | undefined)[] = [...posing(args, part)]
  const roots: Arg[] = []
  const runs = args.some(({ shape }) => /^-(exec|ok)/.test(shape))
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as Arg
    const text = arg.shape
    if (FIND_ALONE.has(text) || /^-O\d$/.test(text)) continue
    if (FIND_TEXT.has(text)) {
      const value = args[++i]
      const asked = runs && value && /name$/.test(text) ? readingOf(value, part) : undefined
      if (asked?.effect === 'harms') findings.push(asked)
    } else if (FIND_FILE.test(text)) findings.push(args[++i] && namingOf(args[i] as Arg, part))
    else if (/^-(exec|ok)(dir)?$/.test(text)) {
      const rest = args.slice(i + 1)
      const end = rest.findIndex(({ shape }, at) => shape === ';' || (shape === '+' && rest[at - 1]?.shape === '{}'))
      const inner = end === -1 ? rest : rest.slice(0, end)
      findings.push(...indirectly(call, call.command(inner)))
      i += inner.length + 1
    } else if (text === '-delete') {
      findings.push(
        ...roots
          .map((root) => removing(root, part))
          .filter((finding, at) => finding?.effect === 'harms' && !isRoot(roots[at]?.shape ?? '')),
      )
      findings.push(...found('indirect', 'find -delete removes files', part))
    } else if (/^-(fprint0?|fprintf|fls)$/.test(text))
      findings.push(
        args[i + 1] && writingTo(args[++i] as Arg, part),
        ...found('changes', `find ${text} writes a file`, part),
      )
    else if (text.startsWith('-')) findings.push(...found('runs', `find ${arg.text} is not known`, part))
    else {
      roots.push(arg)
      findings.push(namingOf(arg, part))
    }
  }
  return present(findings)
}

export const SEARCHERS: Record<string, Rule> = { grep, egrep: grep, fgrep: grep, rg, find }
