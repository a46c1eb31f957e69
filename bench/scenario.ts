/** The same work for every measured loop: a repo with a failing test, and a script of 40 or 200 turns over it. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Json } from '../functions/scripted/protocol.ts'
import type { Script, Turn } from '../functions/scripted/server.ts'

const FILES = 60

/** A git repo of small modules; `src/sum.js` has the fault that the script mends. */
export function makeRepo(folder: string): void {
  mkdirSync(join(folder, 'src'), { recursive: true })
  mkdirSync(join(folder, 'test'), { recursive: true })
  writeFileSync(
    join(folder, 'package.json'),
    `${JSON.stringify({ name: 'bench', private: true, type: 'module', scripts: { test: 'node --test' } }, undefined, 2)}\n`,
  )
  writeFileSync(
    join(folder, 'src', 'sum.js'),
    'export function sum(list) {\n  let total = 1\n  for (const value of list) total += value\n  return total\n}\n',
  )
  writeFileSync(
    join(folder, 'test', 'sum.test.js'),
    "import assert from 'node:assert/strict'\nimport { test } from 'node:test'\nimport { sum } from '../src/sum.js'\n\ntest('sums', () => assert.equal(sum([1, 2, 3]), 6))\n",
  )
  for (let i = 0; i < FILES; i++)
    writeFileSync(
      join(folder, 'src', `module-${i}.js`),
      `${Array.from({ length: 20 }, (_, line) => `export const value${i}_${line} = ${i * 100 + line}`).join('\n')}\n`,
    )
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=Bench', '-c', 'user.email=bench@localhost', '-C', folder, ...args])
  git('init', '-q')
  git('add', '-A')
  git('commit', '-qm', 'start')
}

type Call = { name: string; arguments: Json }
const read = (i: number): Call => ({ name: 'read_file', arguments: { path: `src/module-${i % FILES}.js` } })
const test: Call = { name: 'run_command', arguments: { command: 'node --test' } }

/** 39 calls: list, search, read, 3 edits, a write, git, the test 4 times. */
export function calls40(): Call[] {
  const edits: Call[] = [
    {
      name: 'edit_file',
      arguments: { path: 'src/sum.js', oldText: '  let total = 1\n', newText: '  let total = 0\n' },
    },
    {
      name: 'edit_file',
      arguments: {
        path: 'src/module-3.js',
        oldText: 'export const value3_0 = 300',
        newText: 'export const value3_0 = 301',
      },
    },
    {
      name: 'edit_file',
      arguments: {
        path: 'src/module-4.js',
        oldText: 'export const value4_1 = 401',
        newText: 'export const value4_1 = 402',
      },
    },
  ]
  const head: Call[] = [
    { name: 'list_files', arguments: {} },
    { name: 'search_text', arguments: { pattern: 'value7_3' } },
    test,
    { name: 'read_file', arguments: { path: 'src/sum.js' } },
  ]
  const tail: Call[] = [
    { name: 'write_file', arguments: { path: 'notes.md', content: '# Notes\n\nThe sum began at one.\n' } },
    { name: 'run_command', arguments: { command: 'git status --short' } },
    test,
  ]
  const calls = [...head, edits[0] as Call, test, edits[1] as Call, edits[2] as Call, test]
  while (calls.length < 39 - tail.length)
    calls.push(
      calls.length % 3 === 0
        ? { name: 'search_text', arguments: { pattern: `value${calls.length}_` } }
        : read(calls.length),
    )
  return [...calls, ...tail]
}

/** 199 calls: read, cheap shell, in turn. */
export const calls200 = (): Call[] =>
  Array.from({ length: 199 }, (_, i) =>
    i % 2 === 0 ? read(i) : { name: 'run_command', arguments: { command: `echo turn ${i}` } },
  )

/** Answers by the place in the conversation alone. */
export function scriptOf(calls: Call[]): Script {
  return ({ messages }) => {
    const place = messages.filter((message) => message.role === 'assistant').length
    const call = calls[place]
    return call
      ? ({ calls: [call] } satisfies Turn)
      : { text: 'The sum began at one; it begins at zero now, and the test passes.' }
  }
}
