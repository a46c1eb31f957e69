/** Which rule a program has. A program without one may be anything: it is never run unasked where nothing holds it. */
import type { Finding } from './effects.ts'
import { git } from './git.ts'
import { OUTWARD } from './outward.ts'
import { isOutside, namingOf, readingOf } from './places.ts'
import { READERS } from './readers.ts'
import { type Call, found, present, type Rule } from './rule.ts'
import { SEARCHERS } from './search.ts'
import { SHELLS } from './shells.ts'
import { TEXTS } from './texts.ts'
import { WRAPPERS } from './wrappers.ts'
import { WRITERS } from './writers.ts'

const enter: Rule = ({ args, part }) =>
  args.length === 1 && args[0]?.value !== undefined && args[0].shape !== '-'
    ? present([namingOf(args[0], part)])
    : found('reaches', 'goes to a folder outside the workspace', part)

/** `mkfs.ext4`, `pip3.12`, `python3.13`: one program by many names. */
const FAMILIES: [RegExp, string][] = [
  [/^mkfs\..+$/, 'mkfs'],
  [/^fsck\..+$/, 'mkfs'],
  [/^python[23]?(\.\d+)?$/, 'python3'],
  [/^pip[23]?(\.\d+)?$/, 'pip'],
  [/^(perl|ruby|php|lua|node)[\d.]+$/, '$1'],
]

const RULES = new Map<string, Rule>(
  Object.entries({
    ...READERS,
    ...OUTWARD,
    ...SHELLS,
    ...WRAPPERS,
    ...WRITERS,
    ...TEXTS,
    ...SEARCHERS,
    git,
    cd: enter,
    pushd: enter,
    popd: enter,
  }),
)

/** Folders whose programs are the machine's own. */
const SYSTEM_BIN = /^(\/usr|\/usr\/local|\/opt\/homebrew)?\/s?bin\//

export function judgeSimple(call: Call): Finding[] {
  const { program, part } = call
  if (!program.includes('/')) return ruled(program, call)
  const name = program.replace(SYSTEM_BIN, '')
  if (!name.includes('/'))
    return [...ruled(name, { ...call, program: name }), ...found('runs', 'names a program by its folder', part)]
  const where = /^[~/]/.test(program) || isOutside(program) ? 'reaches' : 'runs'
  return [
    ...unknown(call),
    ...found(
      where,
      where === 'runs' ? 'runs a program of the workspace' : 'runs a program outside the workspace',
      part,
    ),
  ]
}

/** Programs that tell their version and read nothing of the repo for it. */
const TELLING =
  /^(awk|bash|clang(\+\+)?|cmake|curl|docker|find|g\+\+|gcc|gh|git|grep|java|jq|kubectl|make|perl|php|psql|python3?|rg|ruby|sed|sqlite3|tar|wget|zsh)$/
const VERSION = /^--?version$/

function ruled(program: string, call: Call): Finding[] {
  if (call.args.length === 1 && TELLING.test(program) && VERSION.test(call.args[0]?.value ?? '')) return []
  const family = FAMILIES.find(([pattern]) => pattern.test(program))
  const rule = RULES.get(program) ?? (family && RULES.get(program.replace(family[0], family[1])))
  return rule ? rule(call) : unknown(call)
}

const unknown = ({ program, args, part }: Call): Finding[] => [
  ...present(args.map((arg) => readingOf(arg, part))).filter(({ effect }) => effect === 'harms'),
  ...found('runs', `${program} may do anything`, part),
]
