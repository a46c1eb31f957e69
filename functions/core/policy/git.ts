/**
 * git by its subcommand. Reading ones run unasked; options that run programs, write files or bring another
 * configuration do not; what reaches a server asks; what destroys a shared branch is refused.
 */
import type { Finding } from './effects.ts'
import { means, readOptions, words } from './options.ts'
import { isOutside, isRoot, readingOf } from './places.ts'
import { posing } from './readers.ts'
import { found, present, type Rule } from './rule.ts'
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
  remote: { flags: /^(-v|--verbose)$/, first: /^(get-url|show)$/, operands: 1 },
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

const RUNNING = words(
  `exec upload-pack receive-pack open-files-in-pager ext-diff textconv filters ext-cmd tool extcmd template
   recurse-submodules paginate show-signature tree-filter index-filter`,
)
const RUNNING_SAFE = words('filter text')
const WRITING = words('output output-directory')
const WRITING_SAFE = words('output-indicator-new output-indicator-old output-indicator-context')
const VALUED = words(
  `n L S G U l C max-count skip since until after before author committer grep format pretty date diff-filter
   max-depth glob exclude branches tags remotes sort points-at contains no-contains merged no-merged e f A B m`,
)

export const git: Rule = (call) => {
  const { args, part } = call
  const globals = globalOptions(args, part)
  if (globals.stop) return globals.findings
  const { sub, rest } = globals
  const name = sub.value
  const findings = [...globals.findings]
  if (name === undefined || sub.pattern)
    return [...findings, ...found('hides', 'the git command is not named in the line', part)]
  const { options, operands } = readOptions(rest, VALUED)
  findings.push(...dangerous(name, rest, part))
  const remote = REMOTE[name]
  if (remote) return [...findings, ...remote(rest, part)]
  if (isRead(name, rest)) {
    const pattern = name === 'grep' && !options.some(({ name: option }) => /^[ef]$/.test(option)) ? 1 : 0
    const paths = [
      ...operands.slice(pattern),
      ...options.flatMap(({ name: option, value }) =>
        value && !/^(S|G|L|e|grep|format|pretty|author|committer)$/.test(option) ? [value] : [],
      ),
    ]
    return [
      ...findings,
      ...(call.moved ? found('runs', 'another folder may bring a git configuration of its own', part) : []),
      ...present(paths.map((arg) => gitPath(name, arg, part))),
      ...posing(rest, part),
      // Files that git does not know are read too, as grep would.
      ...(name === 'grep' && optionsIn(rest).some((text) => /^--(no-index|untr)/.test(text))
        ? found('runs', 'reads files that git does not know, also those that may hold secrets', part)
        : []),
    ]
  }
  const harm = HARMS.find(([pattern]) => pattern.test([name, ...rest.map(({ shape }) => shape)].join(' ')))
  if (harm) return [...findings, ...found(harm[1], harm[2], part)]
  if (CHANGES.has(name)) {
    const outside = operands.find((arg) => arg.home || (isOutside(arg.shape) && /^(\.\.\/|\/|~)/.test(arg.shape)))
    return [
      ...findings,
      ...(outside ? found('reaches', 'git writes outside the workspace', part) : []),
      ...found('changes', `git ${name} changes the repo`, part),
    ]
  }
  return [...findings, ...found('runs', `git ${name} may be anything: the configuration can give it a meaning`, part)]
}

type Globals = { stop: true; findings: Finding[] } | { stop: false; findings: Finding[]; sub: Arg; rest: Arg[] }

/** What stands before the subcommand. */
function globalOptions(args: Arg[], part: string): Globals {
  const findings: Finding[] = []
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as Arg
    const text = arg.shape
    if (!text.startsWith('-')) return { stop: false, findings, sub: arg, rest: args.slice(i + 1) }
    if (/^(--version|-v|--help|-h)$/.test(text))
      return { stop: true, findings: args.length === 1 ? findings : found('runs', 'git help may run a viewer', part) }
    if (
      /^--(no-pager|no-optional-locks|literal-pathspecs|glob-pathspecs|noglob-pathspecs|icase-pathspecs|no-replace-objects|no-lazy-fetch|no-advice)$|^-P$/.test(
        text,
      )
    )
      continue
    if (text === '-C') {
      const folder = args[++i]
      if (folder && !isRoot(folder.shape))
        findings.push(
          folder.home || isOutside(folder.shape)
            ? { effect: 'reaches', reason: 'git works outside the workspace', part }
            : { effect: 'runs', reason: 'another folder may bring a git configuration of its own', part },
        )
      continue
    }
    if (/^(-c|--(config-env|exec-path|git-dir|work-tree|namespace|super-prefix|attr-source))/.test(text)) {
      findings.push({ effect: 'indirect', reason: `git ${arg.text} changes what git runs`, part })
      if (/^(-c|--(config-env|git-dir|work-tree|namespace|super-prefix|attr-source))$/.test(text)) i++
      continue
    }
    findings.push({
      effect: /^(-p|--paginate)$/.test(text) ? 'indirect' : 'runs',
      reason: `git ${arg.text} may run a program`,
      part,
    })
  }
  return {
    stop: true,
    findings: args.length === 0 ? [] : findings.length > 0 ? findings : found('runs', 'git without a command', part),
  }
}

/** Letters that run programs or write files; what they are told may follow at once. */
const SHORT: Record<string, RegExp> = {
  grep: /^-[^-]*O/,
  difftool: /^-[^-]*x/,
  rebase: /^-[^-]*x/,
  archive: /^-[^-]*o/,
  'format-patch': /^-[^-]*o/,
  clone: /^-[^-]*[uc]/,
  fetch: /^-u\S/,
  'ls-remote': /^-[^-]*u/,
}

/**
 * Options that run programs or write files. Every word that looks like one counts, also where it may be the value of
 * another: which letters take a value differs from subcommand to subcommand.
 */
function dangerous(name: string, rest: Arg[], part: string): Finding[] {
  const texts = optionsIn(rest)
  const long = (names: ReadonlySet<string>, safe: ReadonlySet<string>) =>
    texts.find(
      (text) => /^--./.test(text) && means({ name: text.slice(2).split('=')[0] ?? '', long: true }, names, safe),
    )
  const effect = name === 'rebase' ? 'runs' : 'indirect'
  const runs = long(RUNNING, RUNNING_SAFE) ?? texts.find((text) => SHORT[name]?.test(text))
  const writes = long(WRITING, WRITING_SAFE)
  const helps = texts.some((text) => /^--help?$/.test(text))
  return [
    ...(runs ? found(effect, `git ${name} ${runs} may run a program or write a file`, part) : []),
    ...(writes
      ? found(name === 'format-patch' ? 'changes' : 'hides', `git ${name} ${writes} writes a file`, part)
      : []),
    ...(rest.some(({ shape }) => /%G|%\(signature/.test(shape)) ? found('hides', 'git runs gpg for %G', part) : []),
    ...(helps ? found('runs', 'git help may run a viewer', part) : []),
  ]
}

const optionsIn = (rest: Arg[]): string[] => {
  const texts = rest.map(({ shape }) => shape)
  const end = texts.indexOf('--')
  return (end === -1 ? texts : texts.slice(0, end)).filter((text) => text.startsWith('-'))
}

function isRead(name: string, rest: Arg[]): boolean {
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

/** A revision is no path: `main..dev` does not leave anything. `HEAD:.env` names a file. */
function gitPath(name: string, arg: Arg, part: string): Finding | undefined {
  if (/^(branch|tag|ls-files|status|ls-tree|check-ignore)$/.test(name)) return undefined
  const finding = readingOf(arg, part)
  return finding?.reason === "is git's own" ? undefined : finding
}

const CHANGES = words(
  `add commit checkout switch restore reset rm mv merge rebase cherry-pick revert stash branch tag clean apply am
   init gc prune notes worktree bisect update-index read-tree write-tree commit-tree update-ref symbolic-ref hash-object
   mktag mktree pack-refs repack sparse-checkout format-patch archive bundle reflog replace rerere maintenance`,
)

type Effect = Finding['effect']
const HARMS: [RegExp, Effect, string][] = [
  [
    /^(difftool|mergetool|instaweb|gui|gitk|web--browse|daemon|http-backend|shell|send-email|imap-send|filter-branch|filter-repo|fast-import|credential\S*|hook|upload-pack|receive-pack|upload-archive|p4|svn|cvs\S*|remote-ext|remote-fd)\b/,
    'hides',
    'runs other programs or serves the repo',
  ],
  [/^branch .*--edit-d/, 'hides', 'runs an editor'],
  [
    /^config (.*\s)?(--(get|get-all|get-regexp|list|show-\S+)|-l|get|list)\b/,
    'reaches',
    'the configuration may hold credentials',
  ],
  [/^config (--\S+ )*user\.(name|email) /, 'indirect', 'the configuration decides what git does'],
  [/^config\b/, 'hides', 'the configuration decides what git runs'],
  [
    /^(remote (add|set-url|rename|remove|rm|set-branches|set-head|prune|update))\b/,
    'reaches',
    'decides where git talks to',
  ],
  [/^reflog (expire|delete)|^(update-ref|gc .*--prune|prune)\b/, 'changes', 'removes history'],
]

/** Subcommands that talk to a server. */
const REMOTE: Record<string, (rest: Arg[], part: string) => Finding[]> = {
  push: (rest, part) => {
    const forced =
      optionsIn(rest).some((text) => /^-[^-]*[fd]|^--(fo(r(ce?)?)?$|del|mir|pru)/.test(text)) ||
      rest.some(({ shape }) => /^[+:]/.test(shape))
    return forced
      ? found('harms', 'rewrites or removes what others share', part)
      : found('reaches', 'git push sends commits to a server', part)
  },
  submodule: (rest, part) =>
    /^(status|summary)$/.test(rest[0]?.shape ?? '')
      ? found('runs', 'git submodule runs a script', part)
      : found('reaches', 'git submodule talks to servers and runs commands', part),
  ...Object.fromEntries(
    'fetch pull clone ls-remote lfs fetch-pack send-pack http-fetch http-push request-pull'
      .split(' ')
      .map((name) => [name, (rest: Arg[], part: string) => talking(name, rest, part)]),
  ),
}

const talking = (name: string, rest: Arg[], part: string): Finding[] =>
  rest.some(({ shape }) => /^(ext|fd)::|^--conf/.test(shape))
    ? found('hides', `git ${name} may run a program`, part)
    : found('reaches', `git ${name} talks to a server`, part)
