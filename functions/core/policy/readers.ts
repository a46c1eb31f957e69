/**
 * Programs that read, as data: which options take a value that is no file, which make something else of them. What is
 * left counts as the name of a file and must lie in the workspace. A program is in here only when nothing it can be told
 * beyond `refused` writes or runs anything.
 */
import type { Finding } from './effects.ts'
import { means, readOptions, words } from './options.ts'
import { namingOf, readingOf, writingTo } from './places.ts'
import { found, present, type Rule } from './rule.ts'
import type { Arg } from './words.ts'

type Reader = {
  /** Options whose value is text. */
  text?: string
  /** Options whose value is a file that is read. */
  file?: string
  /** Options whose value is a file that is written. */
  writes?: string
  /** Options that write, run, or read what the line does not show. */
  refused?: string
  /** Full names that only look like the beginning of a refused one. */
  safe?: string
  /** Files are only named or counted: what is in a secret file stays there. */
  names?: true
  /** Operands that are text: all, or so many at the beginning. */
  plain?: number
  /** Its refused options write or run: a glob must not stand where it could be read as one. */
  poses?: true
  /** More operands than this are written to. */
  most?: number
}

const SPECS: Record<string, Reader> = {
  ls: { text: 'I w T hide ignore width tabsize block-size time-style sort format', names: true },
  dir: { text: 'I w T', names: true },
  cat: {},
  tac: { text: 's separator' },
  head: { text: 'n c lines bytes' },
  tail: { text: 'n c s lines bytes sleep-interval pid', refused: 'f F follow retry', safe: '' },
  nl: { text: 'b d f h i l n s v w body-numbering section-delimiter' },
  wc: { refused: 'files0-from', names: true },
  stat: { text: 'c format printf', names: true },
  du: {
    text: 'd B t max-depth block-size threshold exclude time-style',
    file: 'X exclude-from',
    refused: 'files0-from',
    names: true,
  },
  df: { plain: 99 },
  file: {
    text: 'F P e separator',
    refused: 'C m f compile magic-file files-from z Z uncompress',
    poses: true,
    names: true,
  },
  basename: { plain: 99, text: 's suffix' },
  dirname: { plain: 99 },
  realpath: { names: true },
  readlink: { names: true },
  cut: { text: 'b c d f bytes characters delimiter fields output-delimiter' },
  paste: { text: 'd delimiters' },
  join: { text: 'a e j o t v 1 2' },
  comm: { text: 'output-delimiter' },
  tr: { plain: 99 },
  rev: {},
  fold: { text: 'w width' },
  fmt: { text: 'w g p width goal prefix' },
  expand: { text: 't tabs' },
  unexpand: { text: 't tabs' },
  column: { text: 's o c N H R' },
  sort: {
    text: 'k t S key field-separator buffer-size parallel batch-size sort',
    writes: 'o output T temporary-directory',
    refused: 'compress-program files0-from random-source',
    poses: true,
  },
  uniq: { text: 'f s w skip-fields skip-chars check-chars', most: 1 },
  diff: {
    text: 'U C W I F x width ignore-matching-lines exclude label palette',
    file: 'X exclude-from to-file from-file',
    refused: 'l paginate',
    poses: true,
  },
  cmp: { text: 'i n ignore-initial bytes' },
  od: { text: 'A j N S t address-radix skip-bytes read-bytes format' },
  hexdump: { text: 'e n s length skip', refused: 'f' },
  hd: { text: 'n s' },
  xxd: { text: 'c g l n o s cols len seek name', refused: 'r revert', poses: true, most: 1 },
  strings: { text: 'n t e bytes radix encoding', refused: 'T' },
  base64: { text: 'w wrap', writes: 'o output', poses: true },
  base32: { text: 'w wrap' },
  md5sum: { refused: 'c check' },
  sha1sum: { refused: 'c check' },
  sha224sum: { refused: 'c check' },
  sha256sum: { refused: 'c check' },
  sha384sum: { refused: 'c check' },
  sha512sum: { refused: 'c check' },
  b2sum: { refused: 'c check' },
  cksum: { text: 'a algorithm', refused: 'c check' },
  sum: {},
  tree: {
    text: 'L P I H T filelimit charset sort timefmt',
    writes: 'o output',
    refused: 'R fromfile fromtabfile info',
    poses: true,
    safe: 'inodes ignore-case',
    names: true,
  },
  seq: { plain: 99, text: 'f s format separator' },
  expr: { plain: 99 },
  numfmt: { plain: 99, text: 'd from to field format padding suffix' },
  factor: { plain: 99 },
  nproc: {},
  arch: {},
  uname: {},
  whoami: {},
  id: { plain: 99 },
  groups: { plain: 99 },
  date: { plain: 1, text: 'd date', file: 'r reference', refused: 's f set file', poses: true },
  cal: { plain: 3 },
  uptime: {},
  locale: { refused: 'k' },
  sleep: { plain: 99 },
  tty: {},
  tsort: {},
  ':': { plain: 99 },
  true: { plain: 99 },
  false: { plain: 99 },
  echo: { plain: 99 },
  pwd: {},
  exit: { plain: 1 },
  return: { plain: 1 },
  break: { plain: 1 },
  continue: { plain: 1 },
  which: { plain: 99 },
  whereis: { plain: 99 },
  type: { plain: 99 },
}

/** The file arguments of a reader, judged. */
export function readerRule(spec: Reader): Rule {
  const text = words(spec.text ?? '')
  const file = words(spec.file ?? '')
  const writes = words(spec.writes ?? '')
  const refused = new Set([...words(spec.refused ?? ''), ...writes])
  const safe = words(spec.safe ?? '')
  const valued = new Set([...text, ...file, ...writes])
  const look = spec.names ? namingOf : readingOf
  return ({ program, args, part }) => {
    const { options, operands } = readOptions(args, valued)
    const bad = options.filter((option) => option.vague || means(option, refused, safe))
    const files = operands.slice(spec.plain ?? 0)
    return present([
      ...bad.map(
        ({ arg }): Finding => ({ effect: 'changes', reason: `${program} ${arg.text} does more than read`, part }),
      ),
      ...(spec.most !== undefined && (files.length > spec.most || files.some(({ pattern }) => pattern))
        ? found('changes', `${program} writes the second file it is given`, part)
        : []),
      ...options.map(({ name, value }) => (writes.has(name) && value ? writingTo(value, part) : undefined)),
      ...files.slice(spec.most ?? files.length).map((arg) => writingTo(arg, part)),
      ...options.flatMap(({ name, long, value, arg }) =>
        text.has(name) || writes.has(name)
          ? []
          : [value ? look(value, part) : long ? undefined : attached(arg, look, part)],
      ),
      ...files.map((arg) => look(arg, part)),
      // Text, but the shell makes names of files of it.
      ...operands.slice(0, spec.plain ?? 0).map((arg) => (arg.pattern || arg.home ? namingOf(arg, part) : undefined)),
      ...(spec.poses ? posing(args, part) : []),
    ])
  }
}

/** `-f/etc/passwd` where the letter is not known to take a value. */
const attached = (arg: Arg, look: typeof readingOf, part: string): Finding | undefined =>
  arg.shape.includes('/') ? look({ ...arg, shape: arg.shape.slice(arg.shape.indexOf('/')) }, part) : undefined

/** A glob at the start of a word may name a file that looks like an option. */
export function posing(args: Arg[], part: string): Finding[] {
  const end = args.findIndex(({ shape }) => shape === '--')
  const risky = (end === -1 ? args : args.slice(0, end)).find(({ pattern, shape }) => pattern && /^[*?[]/.test(shape))
  return risky ? found('runs', `${risky.text} may name a file that reads as an option`, part) : []
}

export const READERS: Record<string, Rule> = Object.fromEntries(
  Object.entries(SPECS).map(([program, spec]) => [program, readerRule(spec)]),
)
