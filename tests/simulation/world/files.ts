/** What each tool does to files, as a pure function: the simulated sandbox performs it, and the checker expects it. */
import type { CallResult } from '../../../sandbox-runner/protocol.ts'
import { BASE_FILES } from '../script.ts'

export type Files = ReadonlyMap<string, string>
export type Done = Pick<CallResult, 'ok' | 'output' | 'data' | 'error'> & { files?: Files }
export type Input = Record<string, unknown>

export const baseFiles = (): Files => new Map(Object.entries(BASE_FILES))

const APPEND = /^echo (\S+) >> (\S+)$/
/** A command that acts outside the workspace: see `world/outside.ts`. */
export const OUTSIDE = /^(push|chat|mail) (\S+)$/

export const changesFiles = (tool: string): boolean =>
  ['edit_file', 'write_file', 'run_command', 'run_tests'].includes(tool)

/** `files` in the answer: how they are afterwards, when something changed. */
export function perform(files: Files, tool: string, input: Input): Done {
  const text = (name: string): string => String(input[name] ?? '')
  switch (tool) {
    case 'list_files':
      return { ok: true, output: [...files.keys()].sort().join('\n') }
    case 'read_file': {
      const content = files.get(text('path'))
      return content === undefined
        ? failed('not_found', `there is no ${text('path')}`)
        : { ok: true, output: `:${content}` }
    }
    case 'write_file':
      return written(files, text('path'), text('content'), `Wrote ${text('path')}.`)
    case 'edit_file': {
      const [path, old] = [text('path'), text('oldText')]
      const content = files.get(path) ?? ''
      if (content.split(old).length !== 2) return failed('not_once', `${old} is not there once`)
      return written(
        files,
        path,
        content.replace(old, () => text('newText')),
        `Edited ${path}.`,
      )
    }
    case 'run_command': {
      const [, line, path] = APPEND.exec(text('command')) ?? []
      if (line === undefined || path === undefined) return failed('command_not_found', 'exit code 127')
      return written(files, path, `${files.get(path) ?? ''}${line}\n`, '[no output]')
    }
    case 'run_tests': {
      const passed = files.has('fixed.txt')
      const data = { command: 'check', tests: { passed, summary: passed ? '1 passed' : '1 failed' } }
      return passed ? { ok: true, output: 'ok', data } : { ...failed('exit_code', 'exit code 1'), data }
    }
    default:
      return failed('unknown_tool', `the sandbox has no tool ${tool}`)
  }
}

const written = (files: Files, path: string, content: string, output: string): Done => ({
  ok: true,
  output,
  files: new Map(files).set(path, content),
})
const failed = (code: string, message: string): Done => ({
  ok: false,
  output: `Error ${code}: ${message}`,
  error: { code, message },
})

// ---- layers ------------------------------------------------------------------------------------------------------

/** A layer holds the files that are new or different; nothing here removes one. */
export const layerBytes = (before: Files, after: Files): Buffer =>
  Buffer.from(JSON.stringify([...after].filter(([path, content]) => before.get(path) !== content).sort()))

export const withLayer = (files: Files, bytes: Buffer): Files =>
  new Map([...files, ...(JSON.parse(bytes.toString()) as [string, string][])])

export const sameFiles = (a: Files, b: Files): boolean =>
  a.size === b.size && [...a].every(([path, content]) => b.get(path) === content)
