/** The console's files, read once from the folder beside the functions; none where that was left out (a CDN has them). */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export type Page = { type: string; body: string }

const FILES: Record<string, [file: string, type: string]> = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/docs': ['docs.html', 'text/html; charset=utf-8'],
  '/console.js': ['console.js', 'text/javascript; charset=utf-8'],
  '/docs.js': ['docs.js', 'text/javascript; charset=utf-8'],
  '/console.css': ['console.css', 'text/css; charset=utf-8'],
}

/** A page by its path; undefined for anything that is none. */
export function pagesIn(folder: URL): (path: string) => Page | undefined {
  if (!existsSync(folder)) return () => undefined
  const read = new Map<string, Page>()
  return (path) => {
    const [file, type] = FILES[path] ?? []
    if (!file || !type) return undefined
    const known = read.get(path)
    if (known) return known
    const page = { type, body: readFileSync(fileURLToPath(new URL(file, folder)), 'utf8') }
    read.set(path, page)
    return page
  }
}
