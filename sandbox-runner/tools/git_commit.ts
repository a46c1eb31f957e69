import { z } from 'zod'
import { defineTool, type Hands, ToolFailure } from '../define.ts'
import { gitOutput, type IndexChange, indexInfo, readRawDiff } from '../text/git.ts'

export const gitCommit = defineTool({
  name: 'git_commit',
  category: 'git operations',
  description: 'Commit all changes, or those of the given paths, in the workspace.',
  input: z.object({ message: z.string().min(1).max(10_000), paths: z.array(z.string()).optional() }),
  risk: 'write',
  changes: true,
  repeat: 'from_snapshot',
  timeoutMs: 60_000,
  async run({ message, paths = [] }, hands) {
    for (const path of paths) await hands.kind(path)
    await stage(hands, paths)
    const staged = await stagedIn(hands, paths)
    if (staged.length === 0)
      throw new ToolFailure(
        'nothing_to_commit',
        `nothing changed ${paths.length > 0 ? 'in these paths ' : ''}since the last commit`,
        'Change a file first; files that .gitignore names are not committed.',
      )
    const others = paths.length > 0 ? await stagedBeside(hands, staged) : []
    // Two tries of one call make the same commit: its time is the call's own.
    const date = `@${Math.floor(callTimeMs(hands.callId) / 1000)} +0000`
    const env = { GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date }
    await setEntries(hands, others, 'before')
    gitOutput(await hands.git(['commit', '-q', '--no-verify', '--no-gpg-sign', '-F', '-'], { env, stdin: message }))
    await setEntries(hands, others, 'after')
    const commit = gitOutput(await hands.git(['log', '-1', '--no-color', '--format=%h %s', '--shortstat']))
      .trim()
      .replace(/\n+/g, '\n')
    return { output: `Committed ${commit}`, data: { commit: commit.split(' ')[0] } }
  },
})

/**
 * Makes the index what the files are. Not `git add`: that asks the git of every repo inside what it thinks of itself,
 * and so runs what that one configures; here repos inside stay as they are.
 */
async function stage(hands: Hands, paths: string[]): Promise<void> {
  const only = ['--', ...paths]
  const [changed, fresh] = await Promise.all([
    hands.git(['diff-files', '--raw', '-z', '--no-renames', '--no-abbrev', '--ignore-submodules=all', ...only], BYTES),
    hands.git(['ls-files', '-z', '--others', '--exclude-standard', ...only], BYTES),
  ])
  const changes = readRawDiff(gitOutput(changed))
  const isGone = ({ after }: IndexChange) => /^0+$/.test(after.mode)
  const gone = changes.filter(isGone).map(({ path }) => path)
  const there = [
    ...changes.filter((change) => !isGone(change)).map(({ path }) => path),
    ...gitOutput(fresh).split('\0'),
  ].filter((path) => path !== '' && !path.endsWith('/'))
  const update = async (names: string[], how: string[]) => {
    if (names.length === 0) return
    const stdin = names.join('\0')
    gitOutput(await hands.git(['update-index', ...how, '-z', '--stdin'], { ...BYTES, stdin }))
  }
  await update(gone, ['--force-remove'])
  await update(there, ['--add', '--replace'])
}

/** What a commit would change now. */
async function stagedIn(hands: Hands, paths: string[]): Promise<IndexChange[]> {
  const flags = ['--cached', '--raw', '-z', '--no-renames', '--no-abbrev', '--ignore-submodules=none']
  return readRawDiff(gitOutput(await hands.git(['diff', ...flags, '--', ...paths], BYTES)))
}

/** What else is staged: it steps aside for this commit, and is staged again after it. */
async function stagedBeside(hands: Hands, wanted: IndexChange[]): Promise<IndexChange[]> {
  const names = new Set(wanted.map(({ path }) => path))
  const others = (await stagedIn(hands, [])).filter(({ path }) => !names.has(path))
  if (others.length > 0 && (await hands.git(['rev-parse', '--verify', '-q', 'MERGE_HEAD'])).code === 0)
    throw new ToolFailure('merge_under_way', 'a merge is committed as a whole', 'Leave out paths.')
  return others
}

async function setEntries(hands: Hands, changes: IndexChange[], side: 'before' | 'after'): Promise<void> {
  if (changes.length === 0) return
  const stdin = indexInfo(changes.map((change) => change[side]))
  gitOutput(await hands.git(['update-index', '-z', '--index-info'], { ...BYTES, stdin }))
}

const BYTES = { bytes: true }

/** Ids are time-ordered: the first ten characters are the milliseconds, in Crockford's base 32. */
function callTimeMs(callId: string): number {
  const digits = /^call_([0-9a-hjkmnp-tv-z]{10})/.exec(callId)?.[1]
  if (!digits) return 0
  return [...digits].reduce((sum, digit) => sum * 32 + '0123456789abcdefghjkmnpqrstvwxyz'.indexOf(digit), 0)
}
