/** The last words about a run: what came out, what changed, what it took, and how to go on. */
import type { RunView } from './contract.ts'
import { dim, dollars, green, red, safe, seconds, thousands, yellow } from './output.ts'

/** `answer: false` leaves the answer out, where it was shown already. */
export function summary(run: RunView, { answer: withAnswer = true } = {}): string {
  const { answer = '', diffStat, tests, usage, turns, workedSeconds, runId } = run
  const cached =
    usage.inputTokens > 0 ? ` (${Math.round((100 * usage.cachedTokens) / usage.inputTokens)} % cached)` : ''
  const changes =
    diffStat.files === 0
      ? 'none'
      : `${diffStat.files} file${diffStat.files === 1 ? '' : 's'}, ${green(`+${diffStat.additions}`)} ${red(`-${diffStat.deletions}`)}`
  const ended = (passed: boolean) => (passed ? green('passed') : red('failed'))
  return [
    '',
    ...(answer && withAnswer ? [safe(answer), ''] : []),
    `${headOf(run)} · ${turns} turn${turns === 1 ? '' : 's'} · ${seconds(workedSeconds * 1000)}`,
    `changes ${changes}`,
    ...(tests
      ? [
          `tests   ${safe(tests.label)}: ${ended(tests.firstPassed)} at first, ${ended(tests.passed)} at last (${safe(tests.summary)})${tests.stale ? ', before the last change' : ''}`,
        ]
      : []),
    `cost    ${dollars(usage.costUsd)} · ${thousands(usage.inputTokens)} tokens in${cached}, ${thousands(usage.outputTokens)} out`,
    `run     ${runId}`,
  ].join('\n')
}

function headOf({ status, stopReason }: RunView): string {
  if (status === 'completed') return green('✓ done')
  if (status === 'waiting' || status === 'running' || status === 'queued') return yellow(`◐ ${status}`)
  return red(`✗ ${status}${stopReason && stopReason !== 'cancelled' ? ` (${stopReason})` : ''}`)
}

/** How a person goes on with a run that waits; '' for one that does not. */
export function howToAnswer({ waitingFor, runId }: RunView, suffix: string): string {
  if (!waitingFor) return ''
  const { kind, callId, tool, preview, reason, question } = waitingFor as unknown as Record<string, string | undefined>
  if (kind === 'approval')
    return `${yellow('waits for an approval')}: ${safe(tool ?? '')} ${safe(preview ?? '')}\n${dim(safe(reason ?? ''))}\n  stint approve ${runId} ${callId}${suffix}\n  stint deny ${runId} ${callId}${suffix}`
  if (kind === 'question') return `${yellow('asks')}: ${safe(question ?? '')}\n  stint say ${runId} "…"${suffix}`
  return `${yellow(`waits (${kind})`)} until ${waitingFor.until}\n  stint watch ${runId}${suffix}`
}

/** 0 done · 1 failed · 3 ended without finishing, or waits for a person. */
export function exitCode({ status, stopReason }: RunView): number {
  if (status === 'completed') return 0
  return stopReason === 'model_error' || stopReason === 'sandbox_error' ? 1 : 3
}
