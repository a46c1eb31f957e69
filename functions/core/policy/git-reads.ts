/** Which git commands only read, by their subcommand and the form it is given in. */
import { words } from './options.ts'
import type { Arg } from './words.ts'

const READS = words(
  `status log show diff blame annotate rev-parse rev-list ls-files ls-tree cat-file describe shortlog merge-base
   name-rev for-each-ref show-ref grep diff-tree diff-index diff-files count-objects version whatchanged cherry
   range-diff show-branch check-ignore check-attr check-ref-format verify-pack`,
)
/** Reading forms of subcommands that also write: every word must be one of these, or an operand where `operands`. */
const FORMS: Record<string, { flags: RegExp; operands?: number; first?: RegExp }> = {
  branch: {
    flags:
      /^(-[alrvi]+|--(list|all|remotes|show-current|verbose|contains|no-contains|merged|no-merged|points-at|sort|format|column|no-column|color|no-color|ignore-case|abbrev|no-abbrev)(=.*)?)$/,
  },
  tag: {
    flags:
      /^(-[lin]+\d*|--(list|contains|no-contains|merged|no-merged|points-at|sort|format|column|no-column|color|ignore-case)(=.*)?)$/,
  },
  remote: { flags: /^(-v|--(verbose|all|push))$/, first: /^(get-url|show)$/, operands: 1 },
  stash: { flags: /^(-p|--(stat|patch|oneline|name-only|name-status))$/, first: /^(list|show)$/, operands: 1 },
  worktree: { flags: /^(-v|--(porcelain|verbose))$/, first: /^list$/, operands: 0 },
  reflog: { flags: /^(-\d+|-n|--(oneline|all|date|stat)(=.*)?)$/, first: /^(show|exists|HEAD.*)$/, operands: 2 },
  notes: { flags: /^$/, first: /^(list|show)$/, operands: 1 },
  'symbolic-ref': { flags: /^(--short|-q)$/, operands: 1 },
  config: { flags: /^(--(get|get-all|local|type)(=.*)?)$/, operands: 1 },
}
const LISTING = /^(-[alrvi]*l[alrvi]*|--(list|contains|no-contains|merged|no-merged|points-at))/
/** Keys of the configuration that hold no secret and run nothing. */
const CONFIG_KEY =
  /^(user\.(name|email)|init\.defaultbranch|core\.(bare|filemode|autocrlf|eol|ignorecase)|branch\.[\w./-]+|pull\.rebase|color\.[\w.]+)$/i

export function isRead(name: string, rest: Arg[]): boolean {
  const form = FORMS[name]
  if (!form) return READS.has(name)
  const texts = rest.map(({ shape }) => shape)
  if (name === 'config')
    return (
      texts.length <= 2 &&
      CONFIG_KEY.test(texts.at(-1) ?? '') &&
      texts.slice(0, -1).every((text) => form.flags.test(text))
    )
  if ((name === 'branch' || name === 'tag') && texts.some((text) => LISTING.test(text)))
    return texts.every((text) => !text.startsWith('-') || form.flags.test(text))
  const flags = texts.filter((text) => text.startsWith('-'))
  const operands = texts.filter((text) => !text.startsWith('-'))
  const head = form.first && operands.length > 0 ? operands.shift() : undefined
  if (form.first ? head !== undefined && !form.first.test(head) : false) return false
  if (name === 'remote' && head === 'show' && operands.length > 0) return false
  if (form.first && head === undefined && /^(stash|worktree|notes)$/.test(name)) return false
  return flags.every((text) => form.flags.test(text)) && operands.length <= (form.operands ?? 0)
}
