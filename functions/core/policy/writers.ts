/** Programs that change files: which of their words are written, read or removed. */
import type { Finding } from './effects.ts'
import { means, readOptions, words } from './options.ts'
import { isOutside, readingOf, removing, writingTo } from './places.ts'
import { found, present, type Rule } from './rule.ts'
import type { Arg } from './words.ts'

type Writer = { valued?: string; plain?: number; does: (operands: Arg[], part: string) => (Finding | undefined)[] }

const each = (operands: Arg[], part: string) => operands.map((arg) => writingTo(arg, part))
const copies = (operands: Arg[], part: string) => [
  ...operands.slice(0, -1).map((arg) => readingOf(arg, part)),
  operands.length > 0 ? writingTo(operands.at(-1) as Arg, part) : undefined,
]
const moves = (operands: Arg[], part: string) => [
  ...operands.slice(0, -1).map((arg) => secretOf(arg, part)),
  ...operands.slice(0, -1).map((arg) => removing(arg, part)),
  operands.length > 0 ? writingTo(operands.at(-1) as Arg, part) : undefined,
]
/** Moved under another name a secret would be one no more. */
const secretOf = (arg: Arg, part: string): Finding | undefined => {
  const finding = readingOf(arg, part)
  return finding?.effect === 'harms' ? finding : undefined
}
const links = (operands: Arg[], part: string) => [
  ...operands.slice(0, -1).map((arg) => linked(arg, part)),
  ...(operands.length > 1 ? [writingTo(operands.at(-1) as Arg, part)] : []),
]
/** A link may be used to leave the workspace later: then it is asked about now. */
const linked = (arg: Arg, part: string): Finding | undefined =>
  readingOf(arg, part) ??
  (isOutside(arg.shape) ? { effect: 'reaches', reason: 'links out of the workspace', part } : undefined)

const SPECS: Record<string, Writer> = {
  rm: { does: (operands, part) => operands.map((arg) => removing(arg, part)) },
  rmdir: { does: (operands, part) => operands.map((arg) => removing(arg, part)) },
  unlink: { does: (operands, part) => operands.map((arg) => removing(arg, part)) },
  shred: { valued: 'n s', does: (operands, part) => operands.map((arg) => removing(arg, part)) },
  mv: { valued: 'S', does: moves },
  cp: { valued: 'S', does: copies },
  install: { valued: 'm o g S mode owner group', does: copies },
  ln: { valued: 'S', does: links },
  link: { does: links },
  mkdir: { valued: 'm mode', does: each },
  mkfifo: { valued: 'm mode', does: each },
  touch: { valued: 'd r t date reference', does: each },
  truncate: { valued: 's r size reference', does: each },
  tee: { does: each },
  chmod: { plain: 1, does: each },
  chown: { plain: 1, does: each },
  chgrp: { plain: 1, does: each },
  split: { valued: 'a b C l n', does: copies },
  csplit: { valued: 'b f n', plain: 1, does: each },
  patch: { valued: 'p i d F', does: each },
  gzip: { does: each },
  gunzip: { does: each },
  bzip2: { does: each },
  xz: { does: each },
  zstd: { does: each },
  unzip: { valued: 'x', does: (operands, part) => operands.map((arg) => readingOf(arg, part)) },
  dos2unix: { does: each },
  prettier: { does: each },
}

const TARGETS = words('t target-directory d directory o output output-dir i input reference r')

function writerRule({ valued = '', plain = 0, does }: Writer): Rule {
  const takes = new Set([...words(valued), 't', 'target-directory', 'd', 'directory'])
  return ({ program, args, part }) => {
    const flags = /^(rm|tee|touch|gzip|gunzip|bzip2|xz|zstd|chmod|mv)$/.test(program)
      ? words(`${valued} ${/^(mv)$/.test(program) ? 't target-directory' : ''}`)
      : takes
    // `chmod -x file`: the mode looks like an option.
    const { options, operands } = readOptions(args, flags)
    const files = operands.slice(options.some(({ name }) => name === 'reference') ? 0 : plain)
    const modes = [...operands.slice(0, plain), ...options.map(({ arg }) => arg)].some(({ shape }) =>
      /[ugoa]*\+[rwxXt]*s|^[2467]\d{3}$/.test(shape),
    )
    return present([
      ...does(files, part),
      ...options.map(({ name, value }) => (value && TARGETS.has(name) ? writingTo(value, part) : undefined)),
      ...(program === 'chmod' && modes ? found('harms', 'gives a program the rights of its owner', part) : []),
      ...(program === 'chown' ? found('reaches', 'changes who owns files', part) : []),
      ...(program === 'rm' &&
      options.some((option) => option.long && 'no-preserve-root'.startsWith(option.name) && option.name.length > 2)
        ? found('harms', 'removes everything', part)
        : []),
      ...found('changes', `${program} changes files`, part),
    ])
  }
}

const dd: Rule = ({ args, part }) =>
  present([
    ...args.map((arg) => {
      const [name, ...rest] = arg.shape.split('=')
      const file = { ...arg, shape: rest.join('=') }
      if (name === 'of') return writingTo(file, part)
      return name === 'if' ? readingOf(file, part) : undefined
    }),
    ...found('changes', 'dd writes files', part),
  ])

const TAR_RUNS = words(
  'to-command use-compress-program checkpoint-action info-script new-volume-script rsh-command rmt-command',
)
const TAR_VALUED = words(
  'f C T X I F b g H K L N V directory file exclude transform files-from exclude-from strip-components',
)

const tar: Rule = ({ args, part }) => {
  // Its oldest form has no dash: `tar xzf a.tgz`.
  const [first, ...rest] = args
  const dashed =
    first && /^[A-Za-z]+$/.test(first.shape)
      ? [{ ...first, shape: `-${first.shape}`, value: first.value && `-${first.value}` }, ...rest]
      : args
  const { options, operands } = readOptions(dashed, TAR_VALUED)
  const runs = options.find((option) => means(option, TAR_RUNS) || (!option.long && /^[IF]$/.test(option.name)))
  if (runs) return found('indirect', `tar ${runs.arg.text} runs a program`, part)
  const files = options.flatMap(({ name, value }) => (value && /^(f|file)$/.test(name) ? [value] : []))
  if (files.some(({ shape }) => /^[^/]*:/.test(shape)))
    return found('hides', 'tar reaches another machine for a name with a colon', part)
  const folders = options.flatMap(({ name, value }) =>
    value && /^(C|directory|one-top-level)$/.test(name) ? [value] : [],
  )
  const lists =
    options.some(({ name }) => /^(t|list)$/.test(name)) &&
    options.every(({ name }) => /^(t|list|v|verbose|f|file|z|j|J|gzip|bzip2|xz)$/.test(name))
  if (lists && !posingIn(args)) return present(files.map((arg) => readingOf(arg, part)))
  return present([
    ...files.map((arg) =>
      options.some(({ name }) => /^(c|r|u|create|append|update)$/.test(name))
        ? writingTo(arg, part)
        : readingOf(arg, part),
    ),
    ...folders.map((arg) => writingTo(arg, part)),
    ...operands.map((arg) => readingOf(arg, part)),
    ...(options.some(({ name }) => /^(P|absolute-names)$/.test(name))
      ? found('reaches', 'tar -P writes wherever the archive says', part)
      : []),
    ...found('changes', 'tar reads or writes many files', part),
  ])
}
const posingIn = (args: Arg[]): boolean => args.some(({ pattern }) => pattern)

const zip: Rule = (call) => {
  const { args, part } = call
  if (args.some(({ shape }) => /^-(\w*TT|-unzip-command)/.test(shape)))
    return found('indirect', 'zip -TT runs a program', part)
  return present([
    ...args.map((arg) => (arg.shape.startsWith('-') ? undefined : readingOf(arg, part))),
    ...found('changes', 'zip writes an archive', part),
  ])
}

export const WRITERS: Record<string, Rule> = {
  ...Object.fromEntries(Object.entries(SPECS).map(([program, spec]) => [program, writerRule(spec)])),
  dd,
  tar,
  bsdtar: tar,
  zip,
}
