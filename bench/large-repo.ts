/** A git repository of any size: files of the sizes that source has, a dozen to a folder, one commit. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const FILES_PER_FOLDER = 12
const FOLDERS_PER_PACKAGE = 16
const WORDS = ['load', 'store', 'parse', 'render', 'request', 'session', 'result', 'index', 'token', 'stream', 'layer']

/** Makes it and answers the names of its files. */
export function makeTree(folder: string, files: number): string[] {
  const names = Array.from({ length: files }, (_, n) => nameOf(n))
  for (const path of new Set(names.map((name) => dirname(name)))) mkdirSync(join(folder, path), { recursive: true })
  for (const [n, name] of names.entries()) writeFileSync(join(folder, name), contentOf(n))
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=bench', '-c', 'user.email=bench@localhost', '-c', 'gc.auto=0', ...args], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
  git('init', '-q', '-b', 'main')
  git('add', '-A')
  git('commit', '-q', '-m', 'all of it')
  git('repack', '-q', '-a', '-d')
  return names
}

function nameOf(n: number): string {
  const place = Math.floor(n / FILES_PER_FOLDER)
  return `packages/p${Math.floor(place / FOLDERS_PER_PACKAGE)}/src/${word(place)}-${place % FOLDERS_PER_PACKAGE}/${word(n)}-${n % FILES_PER_FOLDER}.ts`
}

/** Mostly small, now and then large, never twice the same. */
function contentOf(n: number): string {
  const lines = [12, 25, 45, 80, 240][(n * 7) % 5] ?? 12
  return Array.from(
    { length: lines },
    (_, i) =>
      `export const ${word(n + i)}${n}x${i} = ${word(i)}(${(n * 2654435761 + i * 40503) % 1000003}) + ${word(i * 3)}`,
  ).join('\n')
}

const word = (n: number): string => WORDS[n % WORDS.length] ?? ''
