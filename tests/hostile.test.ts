/**
 * A hostile repo, attack by attack. Each is first shown to work: plain git, used as people use it, runs the attacker's
 * program. Then the same repo is copied into a workspace, the workspace's own `.git` is poisoned in the same way, and
 * every tool that uses git, and the searches, work in it: the program must not have run.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { file } from './support/http.ts'
import { Box, good } from './support/sandbox.ts'
import { git, pause, tempFolder, write } from './support/world.ts'

/** `poison` is done in the repo, `fires` is the plain use that runs `$E`; both are lines of bash. */
type Attack = { name: string; poison: string; fires: string }

const config = (name: string, key: string, fires: string, more = ''): Attack => ({
  name,
  poison: `git config ${key} "$E"${more ? `; ${more}` : ''}`,
  fires,
})
const hook = (name: string, fires: string): Attack => ({
  name: `hook ${name}`,
  poison: `mkdir -p .git/hooks; cp "$E" .git/hooks/${name}`,
  fires,
})
const attributes = (text: string) => `echo '${text}' > .gitattributes`
const change = 'echo changed >> a.txt'
const commit = `${change}; git commit -qam more`

const ATTACKS: Attack[] = [
  config('fsmonitor at status', 'core.fsmonitor', 'git status'),
  config('fsmonitor at diff', 'core.fsmonitor', 'git diff'),
  hook('pre-commit', commit),
  hook('prepare-commit-msg', commit),
  hook('commit-msg', commit),
  hook('post-commit', commit),
  hook('post-index-change', 'touch -d 2001-01-01 a.txt; git status'),
  hook('reference-transaction', commit),
  hook('post-checkout', 'git checkout -q -b side'),
  hook(
    'pre-merge-commit',
    'git checkout -q -b side HEAD~1; echo s > s; git add s; git commit -qm s; git merge -q main',
  ),
  hook('pre-push', 'git init -q --bare ../target; git push -q ../target main'),
  { name: 'hooksPath', poison: 'mkdir h; cp "$E" h/pre-commit; git config core.hooksPath h', fires: commit },
  config('diff.external', 'diff.external', `${change}; git diff`),
  config('diff command by attribute', 'diff.x.command', `${change}; git diff`, attributes('* diff=x')),
  config('textconv at diff', 'diff.x.textconv', `${change}; git diff`, attributes('* diff=x')),
  config('textconv at log -p', 'diff.x.textconv', 'git log -p', attributes('* diff=x')),
  config('textconv at show', 'diff.x.textconv', 'git show', attributes('* diff=x')),
  config('textconv at blame', 'diff.x.textconv', 'git blame a.txt', attributes('* diff=x')),
  config('clean filter at diff', 'filter.x.clean', `${change}; git diff`, attributes('* filter=x')),
  config('clean filter at add', 'filter.x.clean', `${change}; git add a.txt`, attributes('* filter=x')),
  config('clean filter at status', 'filter.x.clean', 'echo twice > a.txt; git status', attributes('* filter=x')),
  config('smudge filter at checkout', 'filter.x.smudge', 'rm a.txt; git checkout -q a.txt', attributes('* filter=x')),
  config('filter process', 'filter.x.process', `${change}; git add a.txt`, attributes('* filter=x')),
  {
    name: 'filter by attributes in info',
    poison: 'git config filter.x.clean "$E"; mkdir -p .git/info; echo "* filter=x" > .git/info/attributes',
    fires: `${change}; git diff`,
  },
  {
    name: 'filter by core.attributesFile',
    poison: 'echo "* filter=x" > attrs; git config core.attributesFile "$PWD/attrs"; git config filter.x.clean "$E"',
    fires: `${change}; git diff`,
  },
  config(
    'merge driver',
    'merge.x.driver',
    'git checkout -q -b side HEAD~1; echo s > a.txt; git commit -qam s; git merge -q main',
    attributes('* merge=x'),
  ),
  config('editor', 'core.editor', `${change}; git commit -a`),
  config('sequence editor', 'sequence.editor', 'git rebase -i HEAD~1'),
  config('gpg program at commit', 'gpg.program', commit, 'git config commit.gpgSign true'),
  config(
    'gpg program at commit, by ssh',
    'gpg.ssh.program',
    commit,
    'git config commit.gpgSign true; git config gpg.format ssh; git config user.signingKey key::x',
  ),
  {
    name: 'gpg program at log',
    poison: `git config gpg.program "$E"; git config log.showSignature true
      tree=$(git rev-parse HEAD^{tree}); printf 'tree %s\\nauthor a <a> 1 +0000\\ncommitter a <a> 1 +0000\\ngpgsig -----BEGIN PGP SIGNATURE-----\\n x\\n -----END PGP SIGNATURE-----\\n\\nm\\n' $tree |
      git hash-object -t commit -w --stdin | xargs git update-ref HEAD`,
    fires: 'git log',
  },
  config('ssh command', 'core.sshCommand', 'git fetch ssh://nowhere.invalid/x'),
  config('proxy command', 'core.gitProxy', 'git fetch git://nowhere.invalid/x'),
  {
    name: 'ext transport',
    poison: 'git config protocol.ext.allow always; git remote add origin "ext::$E"',
    fires: 'git fetch origin',
  },
  {
    name: 'address replaced by ext transport',
    poison: 'git config protocol.ext.allow always; git config "url.ext::$E .insteadOf" https://example.invalid/',
    fires: 'git fetch https://example.invalid/x',
  },
  {
    name: 'uploadpack of a remote',
    poison: 'git remote add origin "$PWD"; git config remote.origin.uploadpack "$E"',
    fires: 'git fetch origin',
  },
  {
    name: 'helper of a remote',
    poison: 'mkdir -p p; cp "$E" p/git-remote-x; git config remote.origin.url x://y; git config remote.origin.vcs x',
    fires: 'PATH="$PWD/p:$PATH" git fetch origin',
  },
  config('credential helper', 'credential.helper', 'echo url=https://example.invalid | git credential fill'),
  config('askpass', 'core.askPass', 'echo url=https://example.invalid | git credential fill'),
  {
    name: 'refs of alternates',
    poison: `git clone -q --bare . ../other; echo "$(cd ../other && pwd)/objects" > .git/objects/info/alternates
      git config core.alternateRefsCommand "$E"`,
    fires: 'git init -q --bare ../from; git fetch -q ../from || git fetch -q ../other',
  },
  {
    name: 'include',
    poison: 'printf "[core]\\n\\tfsmonitor = %s\\n" "$E" > more; git config include.path ../more',
    fires: 'git status',
  },
  {
    name: 'includeIf',
    poison: 'printf "[core]\\n\\tfsmonitor = %s\\n" "$E" > more; git config "includeIf.gitdir:/**.path" ../more',
    fires: 'git status',
  },
  {
    name: 'configuration of the worktree',
    poison: 'git config extensions.worktreeConfig true; git config --worktree core.fsmonitor "$E"',
    fires: 'git status',
  },
  {
    name: 'configuration of a submodule at status',
    poison: `git init -q sub; git -C sub commit -q --allow-empty -m s; git add sub 2>/dev/null; git commit -qm sub
      git -C sub config core.fsmonitor "$E"`,
    fires: 'git status',
  },
  {
    name: 'configuration of a bare repo inside',
    poison:
      'git init -q --bare b; git -C b config core.fsmonitor "$E"; git -C b config core.bare false; git -C b config core.worktree ..',
    fires: 'git -C b status',
  },
  {
    name: 'a gitfile that points to another repo',
    poison: 'mv .git real; git --git-dir=real config core.fsmonitor "$E"; echo "gitdir: real" > .git',
    fires: 'git status',
  },
  {
    name: 'a link in the place of .git',
    poison: 'mv .git ../real; git --git-dir=../real config core.fsmonitor "$E"; ln -s ../real .git',
    fires: 'git status',
  },
  config('alias', 'alias.st', 'git st', 'git config alias.st "!$E"'),
  config(
    'trailer command',
    'trailer.x.command',
    'echo m | git interpret-trailers --trailer x=1',
    'git config trailer.x.key X',
  ),
  config('pager', 'core.pager', 'script -qec "git log" /dev/null'),
]

const base = tempFolder(file, 'stint-hostile-')
const seed = join(base, 'seed')
mkdirSync(seed)
git(seed, 'init', '-q', '-b', 'main')
write(seed, { 'a.txt': 'one\n', 'src/b.ts': 'export const found = 1\n' })
git(seed, 'add', '-A')
git(seed, 'commit', '-q', '-m', 'one')
write(seed, { 'a.txt': 'two\n' })
git(seed, 'commit', '-q', '-am', 'two')

/** A copy of the repo, the attacker's program, and the mark that it leaves. */
function ground(number: number) {
  const folder = join(base, String(number))
  const [repo, evil, mark] = ['repo', 'evil', 'mark'].map((name) => join(folder, name)) as [string, string, string]
  mkdirSync(folder)
  cpSync(seed, repo, { recursive: true })
  writeFileSync(evil, `#!/bin/sh\ntouch ${mark}\ncat 2>/dev/null\n`)
  chmodSync(evil, 0o755)
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: folder,
    E: evil,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    ...Object.fromEntries(
      ['AUTHOR', 'COMMITTER'].flatMap((who) => [
        [`GIT_${who}_NAME`, 'T'],
        [`GIT_${who}_EMAIL`, 't@localhost'],
      ]),
    ),
  }
  const poison = (line: string) => {
    try {
      execFileSync('bash', ['-c', line], { cwd: repo, env, stdio: 'ignore' })
    } catch {
      // Many a program of git's complains of what the attacker's answered.
    }
    rmSync(mark, { force: true })
  }
  /** True once plain git has run it. Some wait for ever for a word of it. */
  const fires = async (line: string): Promise<boolean> => {
    const spare = join(folder, 'spare')
    cpSync(repo, spare, { recursive: true, verbatimSymlinks: true })
    const child = spawn('bash', ['-c', line], { cwd: spare, env, stdio: 'ignore', detached: true })
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    while (!existsSync(mark) && child.exitCode === null && child.signalCode === null) await pause(5)
    const fired = existsSync(mark)
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL')
    } catch {
      // It has ended.
    }
    await ended
    rmSync(mark, { force: true })
    return fired
  }
  return { folder, repo, evil, mark, poison, fires }
}

/** All that a run may do with git, and the searches. */
const USES: [tool: string, input: object][] = [
  ['git_status', {}],
  ['git_diff', {}],
  ['git_log', { path: 'a.txt' }],
  ['search_text', { pattern: 'found' }],
  ['search_code', { query: 'found' }],
  ['write_file', { path: 'a.txt', content: 'three\n' }],
  ['git_commit', { message: 'three' }],
  ['git_diff', { base: 'HEAD~1' }],
]

const skipped = (name: string) =>
  name === 'pager' && !existsSync('/usr/bin/script') ? { skip: 'script (util-linux) is not installed' } : {}

let packs = 0
/** What is done to a repo in the same way is tried on ours once. */
const tried = new Set<string>()

for (const [number, { name, poison, fires }] of ATTACKS.entries())
  test(`attack ${number + 1}: ${name}`, skipped(name), async () => {
    const here = ground(number)
    here.poison(poison)
    assert.ok(await here.fires(fires), 'plain git runs it: otherwise this proves nothing')
    if (tried.has(poison)) return
    tried.add(poison)

    const unused = (what: string) => assert.equal(existsSync(here.mark), false, `run by ${what}`)
    const box = new Box(join(here.folder, 'home'), join(here.folder, 'objects'))
    good(await box.prepare({ url: here.repo }))
    unused('the copy')
    for (const [tool, input] of USES.slice(0, 2)) await box.use(tool, input)
    unused('tools in the copy')
    await box.run(`E=${here.evil}; ${poison}`)
    rmSync(here.mark, { force: true })
    for (const [tool, input] of USES) {
      await box.use(tool, input)
      unused(`${tool} ${JSON.stringify(input)}`)
    }
    await box.diff()
    unused('the diff of the run')
    await box.run('test -f .git/HEAD && printf "%s\\n" "$(git rev-parse HEAD~1)" > .git/refs/stint-base')
    await box.run('mkdir -p .git/refs/stint && mv .git/refs/stint-base .git/refs/stint/base')
    rmSync(here.mark, { force: true })
    const asked = { runId: 'run_1', workspace: { id: box.id, fence: box.fence, head: box.head } }
    const packed = (await box.door.handle({ op: 'pack', ...asked })) as { ok: boolean; code?: string }
    unused('the pack of a push')
    if (!packed.ok)
      assert.match(packed.code ?? '', /^(nothing_to_push|not_carried|not_git|git_failed)$/, 'a word, and no fault')
    else packs++
  })

test('most of these repos can be packed for a push all the same', () => {
  assert.ok(packs > tried.size * 0.8, `${packs} of ${tried.size}`)
})
