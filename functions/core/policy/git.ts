/**
 * git by its subcommand. Reading ones run unasked; options that run programs, write files or bring another
 * configuration do not; what reaches a server asks; what destroys a shared branch is refused.
 */
import type { Finding } from './effects.ts'
import { isRead } from './git-reads.ts'
import { means, readOptions, words } from './options.ts'
import { isOutside, isRoot, readingOf, writingTo } from './places.ts'
import { posing } from './readers.ts'
import { type Call, found, present, type Rule } from './rule.ts'
import type { Arg } from './words.ts'

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

const GREP_VALUED = words('e f A B C m max-depth threads after-context before-context context max-count')

export const git: Rule = (call) => {
  const { args, part } = call
  const globals = globalOptions(args, part)
  if (globals.stop) return globals.findings
  const { sub, rest } = globals
  const name = sub.value
  const findings = [...globals.findings]
  if (name === undefined || sub.pattern)
    return [...findings, ...found('hides', 'the git command is not named in the line', part)]
  const { options, operands } = readOptions(rest, name === 'grep' ? GREP_VALUED : VALUED)
  findings.push(...dangerous(name, rest, part))
  const remote = REMOTE[name]
  if (remote) return [...findings, ...innerOf(call, name, rest), ...remote(rest, part)]
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
      ...(outside ? present([writingTo(outside, part)]) : []),
      ...innerOf(call, name, rest),
      ...found('changes', `git ${name} changes the repo`, part),
    ]
  }
  return [...findings, ...found('runs', `git ${name} may be anything: the configuration can give it a meaning`, part)]
}

/** Commands that git is told to run, judged like any other. */
function innerOf(call: Call, name: string, rest: Arg[]): Finding[] {
  const [first, ...more] = rest
  if (name === 'bisect' && first?.shape === 'run')
    return [...call.command(more), ...found('runs', 'git runs a command', call.part)]
  if (name === 'submodule' && first?.shape === 'foreach')
    return call.script(
      more
        .filter(({ shape }) => !shape.startsWith('-'))
        .map(({ shape }) => shape)
        .join(' '),
    )
  if (name === 'clone')
    return present(
      rest.slice(1).map((arg) => (/^[/~]/.test(arg.shape) || arg.home ? writingTo(arg, call.part) : undefined)),
    )
  if (name !== 'rebase') return []
  return rest.flatMap((arg, i) => {
    const own = /^(--exec=|-x.)/.exec(arg.shape)?.[0].length
    if (own !== undefined) return call.script(arg.shape.slice(arg.shape.startsWith('-x') ? 2 : own))
    const next = rest[i + 1]
    return /^(--exec|-x)$/.test(arg.shape) && next ? call.script(next.shape) : []
  })
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
  const effect =
    name === 'rebase'
      ? 'runs'
      : /^(archive|format-patch)$/.test(name) && !long(RUNNING, RUNNING_SAFE)
        ? 'changes'
        : 'indirect'
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
