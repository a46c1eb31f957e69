/** Workspaces made from a repo, and what is in them. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { ToolFailure } from '../../sandbox-runner/define.ts'
import { makeTree } from '../../sandbox-runner/workspace/source.ts'
import { listing } from './sandbox.ts'
import { git, tempFolder } from './world.ts'

export const notGit = (path: string) => path === '.git'
export async function made(t: TestContext, url: string, ref?: string) {
  const folder = tempFolder(t, 'stint-source-')
  const tree = join(folder, 'tree')
  const source = await makeTree(tree, join(folder, 'scratch'), { url, ...(ref === undefined ? {} : { ref }) })
  assert.equal(existsSync(join(folder, 'scratch')), false)
  return { tree, source, files: listing(tree, notGit), text: (path: string) => readFileSync(join(tree, path), 'utf8') }
}
export const names = (files: Record<string, string>) => Object.keys(files)
export const status = (tree: string) =>
  git(tree, 'status', '--porcelain')
    .split('\n')
    .filter(Boolean)
    .map((line) => line.trim())
    .sort()
export const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'it was made',
    (error: unknown) => (error instanceof ToolFailure ? error.code : String(error)),
  )
