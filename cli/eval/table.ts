/** Rows as a person reads them: by language, then all; and two configurations side by side. */
import { dollars, seconds, thousands } from '../output.ts'
import { compare, type Figures, figures } from './figures.ts'
import type { Row } from './results.ts'

export function table(rows: Row[]): string {
  const languages = [...new Set(rows.map(({ language = '' }) => language))].sort()
  const lines =
    languages.length > 1
      ? languages.map((one) => [one || 'other', rows.filter(({ language = '' }) => language === one)] as const)
      : []
  const shown = [...lines, ['all', rows] as const].map(([label, own]) => cells(label, figures(own)))
  return aligned([HEAD, ...shown])
}

function cells(label: string, f: Figures): string[] {
  return [
    label,
    String(f.tasks),
    String(f.attempts),
    f.passAt.map(({ k, value }) => `${percent(value)}${f.passAt.length > 1 ? ` @${k}` : ''}`).join(' '),
    `${percent(f.interval[0])}–${percent(f.interval[1])}`,
    dollars(f.costUsd),
    dollars(f.costPerTaskMedian),
    String(f.turnsMedian),
    percent(f.toolErrorRate),
    percent(f.prefixReuse),
    seconds(f.secondsMedian * 1000),
  ]
}

export function comparisonTable([a, first]: [string, Row[]], [b, second]: [string, Row[]], json: boolean): string {
  const result = compare(first, second)
  if (json) return `${JSON.stringify({ [a]: figures(first), [b]: figures(second), comparison: result })}\n`
  const { tasks, passDifference, passInterval, costRatio, costInterval, onlyFirst, onlySecond } = result
  if (tasks === 0) return 'The two have no task in common.\n'
  const points = (value: number) => `${value >= 0 ? '+' : '−'}${(Math.abs(value) * 100).toFixed(1)}`
  const sure = passInterval[0] > 0 || passInterval[1] < 0
  return [
    aligned([HEAD, cells(a, figures(first)), cells(b, figures(second))]),
    '',
    `On ${thousands(tasks)} tasks that both have: ${b} passes ${points(passDifference)} points (95 %: ${points(passInterval[0])} to ${points(passInterval[1])}${sure ? '' : '; no difference is shown'}), at ${costRatio.toFixed(2)} times the cost (${costInterval[0].toFixed(2)} to ${costInterval[1].toFixed(2)}).`,
    ...(onlyFirst.length > 0 ? [`better with ${a}: ${onlyFirst.join(', ')}`] : []),
    ...(onlySecond.length > 0 ? [`better with ${b}: ${onlySecond.join(', ')}`] : []),
    '',
  ].join('\n')
}

const HEAD = [
  '',
  'tasks',
  'attempts',
  'pass',
  '95 %',
  'cost',
  'a task',
  'turns',
  'tool errors',
  'prefix reused',
  'seconds',
]
const percent = (share: number): string => `${Math.round(share * 100)} %`

function aligned(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)))
  return rows
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  '),
    )
    .join('\n')
}
