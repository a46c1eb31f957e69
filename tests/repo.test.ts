import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from './support/world.ts'

const tracked = existsSync(join(ROOT, '.git'))
  ? execFileSync('git', ['-C', ROOT, 'ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
      encoding: 'utf8',
    })
      .split('\0')
      .filter((name) => name !== '' && existsSync(join(ROOT, name)))
  : []
const skip = tracked.length === 0 ? { skip: 'not a git checkout' } : {}
const text = (name: string): string => readFileSync(join(ROOT, name), 'utf8')
type Lock = {
  packages: Record<
    string,
    { version?: string; resolved?: string; integrity?: string; license?: string; link?: boolean }
  >
}

test('the lockfile has a hash for every package and names no host', () => {
  const lock = JSON.parse(text('package-lock.json')) as Lock
  const wrong = Object.entries(lock.packages).filter(
    ([name, entry]) => name !== '' && (entry.resolved !== undefined || !entry.integrity),
  )
  assert.deepEqual(
    wrong.map(([name]) => name),
    [],
  )
  const manifest = JSON.parse(text('package.json')) as Record<string, Record<string, string>>
  for (const kind of ['dependencies', 'devDependencies', 'optionalDependencies'])
    for (const [name, version] of Object.entries(manifest[kind] ?? {}))
      assert.match(version, /^\d+\.\d+\.\d+$/, `${name} is pinned`)
})

test('every installed package has a licence that this project may be given on with', () => {
  const allowed =
    /^\(?(MIT|ISC|BSD-2-Clause|BSD-3-Clause|Apache-2\.0|0BSD|BlueOak-1\.0\.0|CC0-1\.0|Unlicense|Python-2\.0|MIT-0)( OR .*)?\)?$/
  const lock = JSON.parse(text('package-lock.json')) as Lock
  const wrong = Object.keys(lock.packages).flatMap((place) => {
    const manifest = join(ROOT, place, 'package.json')
    // Packages of other platforms are in the lockfile and not on this disk.
    if (place === '' || !existsSync(manifest)) return []
    const { license } = JSON.parse(readFileSync(manifest, 'utf8')) as { license?: string }
    return license && allowed.test(license) ? [] : [`${place}: ${license}`]
  })
  assert.deepEqual(wrong, [])
})

test('no file holds a secret, a path of somebody’s machine, or the host of a package registry', skip, () => {
  const found = tracked.flatMap((name) => {
    if (/\.(png|gif|wasm|zst|ico)$/.test(name)) return []
    const content = text(name)
    const secret =
      /\b(gsk_[A-Za-z0-9]{40,}|sk-[A-Za-z0-9]{32,}|gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{50,}|AKIA[0-9A-Z]{16}|xox[abprs]-[0-9A-Za-z-]{20,})\b|-----BEGIN (?:RSA |EC |OPENSSH )?PRIVATE KEY-----\n[A-Za-z0-9+/]{40}/.exec(
        content,
      )
    const registry = new RegExp(`(${['npm' + 'js', 'yarn' + 'pkg'].join('|')})\\.(org|com)`).exec(content)
    const machine = /\/(?:work|root|home\/(?!me\/))[a-z]*\/main\b/.exec(content)
    return [secret, registry, machine].flatMap((match) => (match ? [`${name}: ${match[0].slice(0, 20)}`] : []))
  })
  assert.deepEqual(found, [])
})

test('.env.example lists every setting that is read, and nothing else', () => {
  const listed = new Set([...text('.env.example').matchAll(/^([A-Z][A-Z0-9_]+)=/gm)].map((match) => match[1]))
  const read = new Set([...text('functions/env.ts').matchAll(/^ {2}([A-Z][A-Z0-9_]+):/gm)].map((match) => match[1]))
  for (const name of ['STINT_API_KEY', 'NO_COLOR']) read.add(name)
  // Lambda's own: nobody sets it.
  read.delete('AWS_LAMBDA_FUNCTION_NAME')
  assert.deepEqual([...listed].sort(), [...read].sort())
})

test('files that are links of the documents exist', skip, () => {
  const broken = tracked
    .filter((name) => name.endsWith('.md'))
    .flatMap((name) =>
      [...text(name).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].flatMap((match) =>
        existsSync(join(ROOT, name, '..', match[1] ?? '')) ? [] : [`${name} -> ${match[1]}`],
      ),
    )
  assert.deepEqual(broken, [])
})
