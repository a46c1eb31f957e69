/**
 * What models really wrote, by class, each with its source: `want` is the calls that must come of it without another
 * answer of the model, null that none may come. `given` is a native call, the text of an answer, or the text that Groq
 * could not read; `finish: length` that the server cut it.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readAnswer, readRefusal } from '../functions/model/dialect/answer.ts'
import { readCalls } from '../functions/tools/pipeline.ts'
import { ROOT } from './support/world.ts'

type Call = { name: string; arguments: string; id?: string }
type Case = {
  source: string
  given: { call?: Call; text?: string; failed?: string; message?: string; finish?: string }
  want: { tool: string; input: unknown }[] | null
  content?: string
}

const FOLDER = join(ROOT, 'tests/dialect')
const classes = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.jsonl'))
  .map((name) => ({
    name: name.replace('.jsonl', ''),
    cases: readFileSync(join(FOLDER, name), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Case),
  }))

const usage = { inputTokens: 1, cachedTokens: 0, outputTokens: 1 }
const ids = { next: (kind: string) => `${kind}_x` }

/** What would be performed, and what would be told as the answer. */
function performed({ given }: Case) {
  const { call, text, failed, message = 'Failed to call a function.', finish } = given
  const read =
    failed === undefined
      ? readAnswer({
          ok: true,
          model: 'm',
          content: text ?? '',
          calls: call ? [{ id: 'c1', ...call }] : [],
          truncated: finish === 'length',
          usage,
        })
      : readRefusal({ ok: false, status: 400, code: 'tool_use_failed', message, failedGeneration: failed })
  const calls = 'calls' in read ? readCalls(read.calls, ids, { isolation: 'none' }) : []
  return {
    content: 'calls' in read ? read.content : undefined,
    refused: calls.filter(({ pending }) => pending.refusal).length,
    made: calls
      .filter(({ pending }) => !pending.refusal)
      .map(({ call }) => ({ tool: call.tool, input: JSON.parse(call.arguments) as unknown })),
  }
}

for (const { name, cases } of classes)
  test(`${name}: ${cases.length} cases`, async (t) => {
    for (const [i, one] of cases.entries())
      await t.test(`${name} ${i + 1} ${JSON.stringify(one.given).slice(0, 120)}`, () => {
        const { made, refused, content } = performed(one)
        assert.deepEqual(made, one.want ?? [])
        if (one.want && one.want.length > 0) assert.equal(refused, 0)
        if (one.content !== undefined) assert.equal(content, one.content)
      })
  })

test('the corpus has what it claims', () => {
  const all = classes.flatMap(({ cases }) => cases)
  assert.ok(classes.length >= 12 && all.length >= 150, `${all.length} cases in ${classes.length} classes`)
  for (const { source } of all) assert.match(source, /^https:\/\//)
})
