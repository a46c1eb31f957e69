/** A repo's last commits as git tells them, for the history that the ranking looks at. */

import type { Commit } from '../code/history.ts'
import { type GitOptions, git } from '../workspace/git.ts'

/** Older ones hardly tell anything of today's files. */
export const COMMITS_MAX = 3000
const LOG_MS_MAX = 60_000
const FORMAT = '%x01%H%x02%s%x02%b%x03'

/** Newest first, without merges; from `ref` back to before `since`. Empty where git cannot tell. */
export async function commitsOf(
  options: GitOptions,
  ref: string,
  since?: string,
  most = COMMITS_MAX,
): Promise<Commit[]> {
  const range = since === undefined ? [ref] : [ref, `^${since}`]
  const how = ['--no-merges', '-z', '-M', '-l200', '--name-status', `--max-count=${most}`, `--format=${FORMAT}`]
  const { code, stdout } = await git(['log', ...how, ...range, '--'], { ...options, timeoutMs: LOG_MS_MAX })
  return code === 0 ? stdout.split('\x01').slice(1).map(readCommit) : []
}

function readCommit(text: string): Commit {
  const [head = '', rest = ''] = text.split('\x03')
  const [id = '', subject = '', body = ''] = head.split('\x02')
  return { id, subject, body, files: changesIn(rest).map(({ path, from }) => (from ? { path, from } : { path })) }
}

export type Change = { status: string; path: string; from?: string }

/** What `--name-status -z` lists: a letter and a path each, two paths for a rename or a copy. */
export function changesIn(listed: string): Change[] {
  const fields = listed.replace(/^\n/, '').split('\0')
  const changes: Change[] = []
  for (let at = 0; at + 1 < fields.length; ) {
    const status = (fields[at++] ?? '').trim()[0]
    if (status === undefined) continue
    const first = fields[at++] ?? ''
    if (status === 'R' || status === 'C') {
      const path = fields[at++] ?? ''
      changes.push({ status, path, ...(status === 'R' ? { from: first } : {}) })
    } else changes.push({ status, path: first })
  }
  return changes
}
