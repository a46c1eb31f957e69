/** What runs cost and did, counted by the database. */
import type { LongTerm, UsageFigures } from '../../ports.ts'
import { clean, type Row, type SqlClient, type Value } from './client.ts'

const n = (row: Row | undefined, name: string): number => Number(row?.[name] ?? 0)

export async function usageFigures(
  db: Pick<SqlClient, 'query'>,
  { from, to, repo }: Parameters<LongTerm['usage']>[0],
): Promise<UsageFigures> {
  const values: Value[] = [from, to, ...(repo === undefined ? [] : [clean(repo)])]
  const those = `ended_at >= $1 AND ended_at < $2${repo === undefined ? '' : ' AND repo = $3'}`
  const ofRuns = `WHERE run_id IN (SELECT run_id FROM stint_runs WHERE ${those})`
  const [total] = await db.query(
    `SELECT count(*) AS runs, sum(CASE WHEN status = 'completed' THEN 1 ELSE 0 END) AS completed
     FROM stint_runs WHERE ${those}`,
    values,
  )
  const models = await db.query(
    `SELECT model, sum(answers) AS answers, sum(input_tokens) AS input, sum(cached_tokens) AS cached,
     sum(output_tokens) AS output, sum(cost_usd) AS cost FROM stint_usage ${ofRuns} GROUP BY model ORDER BY model`,
    values,
  )
  const tools = await db.query(
    `SELECT tool, count(*) AS calls, sum(CASE WHEN ok THEN 0 ELSE 1 END) AS failed, sum(duration_ms) AS ms
     FROM stint_tool_calls ${ofRuns} GROUP BY tool ORDER BY tool`,
    values,
  )
  return {
    runs: n(total, 'runs'),
    completed: n(total, 'completed'),
    models: models.map((row) => ({
      model: String(row.model),
      answers: n(row, 'answers'),
      inputTokens: n(row, 'input'),
      cachedTokens: n(row, 'cached'),
      outputTokens: n(row, 'output'),
      costUsd: n(row, 'cost'),
    })),
    tools: tools.map((row) => ({
      tool: String(row.tool),
      calls: n(row, 'calls'),
      failed: n(row, 'failed'),
      durationMs: n(row, 'ms'),
    })),
  }
}
