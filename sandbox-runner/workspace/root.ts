/** The folder that the tree of a workspace is. */
import { lstatSync, mkdirSync, rmSync } from 'node:fs'

/** Makes it a folder again: a command may have removed it, or put a link to any other folder in its place. */
export function ensureRoot(tree: string): void {
  if (lstatSync(tree, { throwIfNoEntry: false })?.isDirectory()) return
  rmSync(tree, { force: true })
  mkdirSync(tree, { recursive: true })
}
