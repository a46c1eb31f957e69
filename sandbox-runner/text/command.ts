/** A finished command as a result: its output, how it ended, and what it says about tests. */
import type { Done, ShellResult } from '../define.ts'
import { OUTPUT_BYTES_MAX } from '../limits.ts'
import { looksLikeTests, summarize } from './testing.ts'

export type CommandData = {
  command: string
  exitCode: number | null
  durationMs: number
  outputBytes: number
  /** Set when the command ran tests. */
  tests?: { passed: boolean; summary: string }
}

export function commandDone(
  command: string,
  result: ShellResult,
  options: { tests?: boolean; show?: boolean } = {},
): Done {
  const { exitCode, signal, ended, outputBytes, truncated, durationMs } = result
  const seconds = (durationMs / 1000).toFixed(1)
  const text = result.output.trimEnd()
  const error = ended ? ENDED[ended](seconds) : exitCode === 0 ? undefined : failed(exitCode, signal)
  if (error && result.offline && NO_NETWORK.test(text)) error.message += '; commands have no network here'
  const ending = error ? `[${error.message}]` : text === '' ? '[no output]' : ''
  const tests =
    (options.tests || looksLikeTests(command)) && ended !== 'cancelled' ? summarize(text, exitCode) : undefined
  const data: CommandData = { command, exitCode, durationMs, outputBytes, ...(tests ? { tests } : {}) }
  const output = [options.show ? `$ ${command}` : '', text, ending].filter(Boolean).join('\n')
  return { output, data, truncated, ...(error ? { error } : {}) }
}

/** How programs say that a name was not found or a host not reached. */
const NO_NETWORK =
  /EAI_AGAIN|ENOTFOUND|ENETUNREACH|could not resolve|name resolution|name or service not known|network is unreachable|no such host/i

const ENDED: Record<NonNullable<ShellResult['ended']>, (seconds: string) => NonNullable<Done['error']>> = {
  timeout: (seconds) => ({
    code: 'timeout',
    message: `ended after ${seconds} s, its time limit`,
    hint: 'Give a longer timeoutSec, or run less at once. Servers and watchers never end by themselves.',
  }),
  output: () => ({
    code: 'output_limit',
    message: `ended after printing ${OUTPUT_BYTES_MAX} bytes`,
    hint: 'Print less, or write to a file.',
  }),
  cpu: () => ({
    code: 'cpu_limit',
    message: 'ended because it used up the processor time of one command',
    hint: 'Run less at once.',
  }),
  memory: () => ({
    code: 'memory_limit',
    message: 'ended because its processes took more memory than one command may have here',
    hint: 'Run fewer workers at once, or work on less data.',
  }),
  processes: () => ({
    code: 'process_limit',
    message: 'ended because it started more processes than one command may have',
    hint: 'Run fewer workers at once; something may start itself again and again.',
  }),
  disk: () => ({
    code: 'disk_limit',
    message: 'ended because it wrote more than one command may, or nearly filled the disk',
    hint: 'Write less; remove what is not needed.',
  }),
  cancelled: () => ({ code: 'cancelled', message: 'ended because the run was cancelled' }),
}

function failed(exitCode: number | null, signal: string | null): NonNullable<Done['error']> {
  if (exitCode === 127)
    return {
      code: 'command_not_found',
      message: 'exit code 127',
      hint: 'A program of this line is not installed here.',
    }
  if (exitCode === 126)
    return {
      code: 'not_executable',
      message: 'exit code 126',
      hint: 'The file is not executable: call it with its interpreter.',
    }
  if (exitCode === null) return { code: 'killed', message: `ended by ${signal}` }
  return { code: 'exit_code', message: `exit code ${exitCode}`, hint: 'The output says why.' }
}
