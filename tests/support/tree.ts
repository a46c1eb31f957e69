/** Random changes to a folder, by real file operations; paths are the Latin-1 of their bytes, so any name can be made. */
import {
  appendFileSync,
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import type { random } from './sandbox.ts'

type Random = ReturnType<typeof random>
export const ANY_NAMES = [
  'a',
  'b',
  'c d',
  'x.sh',
  'caf\xc3\xa9',
  'caf\xe9',
  '\xff\xfe',
  '\xef\xbf\xbd',
  '-rf',
  'n\nl',
  '"q"',
]
export const UTF8_NAMES = [
  'a',
  'b',
  'c d',
  'x.sh',
  'caf\xc3\xa9',
  '-rf',
  'n\nl',
  '"q"',
  'tab\there',
  'back\\slash',
  'a -> b',
  ' lead',
  'trail ',
]

/** A folder beside the tree that links lead to; nothing may ever be changed through them. */
const OUTSIDE = '../outside'

export const placeOf = (root: string, path: string): Buffer =>
  Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, 'latin1')])

/** Everything below `root` with its kind, parents first. */
export function entriesOf(root: string): { path: string; kind: 'file' | 'link' | 'folder'; empty: boolean }[] {
  const found: ReturnType<typeof entriesOf> = []
  const visit = (folder: string) => {
    for (const name of readdirSync(placeOf(root, folder), { encoding: 'buffer' })) {
      const path = `${folder === '' ? '' : `${folder}/`}${Buffer.from(name).toString('latin1')}`
      const stat = lstatSync(placeOf(root, path))
      if (stat.isDirectory()) {
        found.push({ path, kind: 'folder', empty: readdirSync(placeOf(root, path)).length === 0 })
        visit(path)
      } else found.push({ path, kind: stat.isSymbolicLink() ? 'link' : 'file', empty: false })
    }
  }
  visit('')
  return found
}

export function contentOf({ below, pick }: Random): Buffer {
  const kind = below(10)
  if (kind === 0) return Buffer.alloc(0)
  if (kind === 1) return Buffer.from([0, ...Array.from({ length: below(2000) }, () => below(256))])
  if (kind === 2) return Buffer.from('no newline at the end')
  if (kind === 3) return Buffer.from(`line ${below(9)}\r\n`.repeat(1 + below(20)))
  // Often of one size, so that only the content tells two versions apart.
  if (kind < 7) return Buffer.from(`${pick(['aaa', 'bbb', 'ccc', 'ddd'])}\n`)
  return Buffer.from(Array.from({ length: below(60) }, (_, i) => `${pick(['x', 'y', 'é', ''])} ${i % 7}\n`).join(''))
}

/** The place of a path that is no link: whatever follows links would change what lies outside. */
function plain(root: string, path: string): Buffer {
  const parts = path.split('/')
  for (let n = 1; n <= parts.length; n++) {
    const place = placeOf(root, parts.slice(0, n).join('/'))
    if (lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink())
      throw Object.assign(new Error(`${path} is a link`), { code: 'ELOOP' })
  }
  return placeOf(root, path)
}

/** `count` operations; what cannot be done on the tree as it is then is passed over. */
export function change(root: string, rng: Random, count: number, names = ANY_NAMES): void {
  for (let n = 0; n < count; n++) {
    const entries = entriesOf(root)
    const some = () => entries[rng.below(entries.length)]?.path ?? 'a'
    const fresh = () => {
      const folders = entries.filter(({ kind }) => kind === 'folder').map(({ path }) => path)
      const folder = rng.below(3) === 0 ? '' : (folders[rng.below(folders.length)] ?? '')
      return `${folder === '' ? '' : `${folder}/`}${rng.pick(names)}`
    }
    try {
      operations[rng.below(operations.length)]?.(root, rng, some, fresh)
    } catch (error) {
      if (!(error as NodeJS.ErrnoException).code) throw error
    }
  }
}

type Operation = (root: string, rng: Random, some: () => string, fresh: () => string) => void
const remove = (root: string, path: string) => rmSync(placeOf(root, path), { recursive: true, force: true })
const write: Operation = (root, rng, _some, fresh) => writeFileSync(plain(root, fresh()), contentOf(rng))
const operations: Operation[] = [
  ...Array.from({ length: 10 }, () => write),
  (root, rng, some) => writeFileSync(plain(root, some()), contentOf(rng)),
  (root, rng, some) => appendFileSync(plain(root, some()), contentOf(rng)),
  (root, rng, some) => chmodSync(plain(root, some()), rng.pick([0o600, 0o644, 0o755, 0o444, 0o777, 0o700])),
  (root, rng, some) =>
    remove(root, entriesOf(root).find(({ kind }) => kind !== 'folder' || rng.below(4) === 0)?.path ?? some()),
  (root, _rng, some, fresh) => renameSync(placeOf(root, some()), placeOf(root, fresh())),
  (root, rng, some, fresh) =>
    symlinkSync(
      Buffer.from(rng.pick([some(), '/nowhere', 'x/y', 'self', '.', OUTSIDE]), 'latin1'),
      placeOf(root, fresh()),
    ),
  (root, _rng, some, fresh) => linkSync(placeOf(root, some()), placeOf(root, fresh())),
  (root, _rng, _some, fresh) => mkdirSync(plain(root, `${fresh()}/${fresh()}`), { recursive: true }),
  (root, _rng, _some, fresh) => mkdirSync(plain(root, fresh())),
  (root, rng, some) => {
    const path = some()
    remove(root, path)
    mkdirSync(placeOf(root, path))
    if (rng.below(2)) writeFileSync(placeOf(root, `${path}/inside`), contentOf(rng))
  },
  (root, rng, some) => {
    const path = some()
    remove(root, path)
    writeFileSync(placeOf(root, path), contentOf(rng))
  },
  (root, rng, some) => {
    const path = some()
    remove(root, path)
    symlinkSync(rng.pick(['a', 'b', OUTSIDE, 'sub/..']), placeOf(root, path))
  },
  (root, rng, some) => utimesSync(plain(root, some()), rng.below(2e9), rng.below(2e9)),
]
