/**
 * Which files belong to the repo and which are ignored, by its own `.gitignore` files. Files that were in the workspace
 * from the start belong to it whatever the rules say: they were tracked, or not ignored, when it was made.
 */
import ignore, { type Ignore } from 'ignore'

export class IgnoreRules {
  /** Folder -> rules of the `.gitignore` in it. */
  private readonly rules = new Map<string, Ignore>()
  private readonly folders = new Map<string, boolean>()

  /** `files` are the `.gitignore` files by path, with their text; '' names the repo's own exclude list. */
  constructor(files: Iterable<[path: string, text: string]>) {
    for (const [path, text] of files) {
      const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''
      const rules = this.rules.get(folder) ?? ignore({ allowRelativePaths: true })
      this.rules.set(folder, rules.add(text))
    }
  }

  ignores(path: string): boolean {
    const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''
    return this.folderIgnored(folder) || this.matches(path, false)
  }

  private folderIgnored(folder: string): boolean {
    if (folder === '') return false
    const known = this.folders.get(folder)
    if (known !== undefined) return known
    const above = folder.includes('/') ? folder.slice(0, folder.lastIndexOf('/')) : ''
    const ignored = this.folderIgnored(above) || this.matches(folder, true)
    this.folders.set(folder, ignored)
    return ignored
  }

  /** The nearest file with an opinion decides. */
  private matches(path: string, isFolder: boolean): boolean {
    for (let folder: string | undefined = path; folder !== undefined; ) {
      folder = folder === '' ? undefined : folder.includes('/') ? folder.slice(0, folder.lastIndexOf('/')) : ''
      const rules = folder === undefined ? undefined : this.rules.get(folder)
      if (!rules || folder === undefined) continue
      const relative = folder === '' ? path : path.slice(folder.length + 1)
      const { ignored, unignored } = rules.test(isFolder ? `${relative}/` : relative)
      if (ignored || unignored) return ignored
    }
    return false
  }
}
