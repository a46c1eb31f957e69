/**
 * The note that ends a run which did not finish: what is done, what is left, what was tried, and how to go on.
 * A run that hits a limit or gets stuck is a result that somebody can take over, never an exception.
 */
import type { Message, Run, StopReason } from './types.ts'

const WHY: Record<StopReason, (run: Run) => string> = {
  done: () => 'The run is done.',
  turns_limit: (run) => `The run used its ${run.limits.turns} turns.`,
  cost_limit: (run) =>
    `The run reached its cost limit of $${run.limits.costUsd} (spent $${run.usage.costUsd.toFixed(6)}).`,
  time_limit: (run) => `The run used its ${run.limits.seconds} seconds of work.`,
  stuck: () => 'The run stopped because it was not getting anywhere.',
  model_error: () => 'The model could not be used.',
  sandbox_error: () => 'The workspace could not be used.',
  cancelled: () => 'The run was cancelled.',
}

/** `detail` is one sentence on the cause, safe to show. `messages` are those of the step that ends the run. */
export function handover(run: Run, reason: StopReason, messages: Message[], detail?: string): string {
  const done = run.plan.filter((item) => item.status === 'done')
  const left = run.plan.filter((item) => item.status !== 'done')
  const { files, additions, deletions } = run.diffStat
  const text = messages.find((message) => message.role === 'assistant')?.content.trim() || run.answer
  const lines = [
    WHY[reason](run) + (detail ? ` ${detail}` : ''),
    '',
    files > 0
      ? `Changed so far: ${files} file(s), +${additions} -${deletions}; the diff is kept.`
      : 'No file was changed.',
    ...(done.length > 0 ? ['Done:', ...done.map((item) => `- ${item.text}`)] : []),
    ...(left.length > 0 ? ['Left:', ...left.map((item) => `- ${item.text}`)] : []),
    ...(run.tests
      ? [
          `Tests (${run.tests.label}): ${run.tests.passed ? 'passed' : 'failed'}${run.tests.stale ? ', before the last change' : ''}.`,
        ]
      : []),
    ...(text ? ['Last words of the model:', text] : []),
  ]
  return lines.join('\n')
}
