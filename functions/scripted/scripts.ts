/**
 * The scripts that come with Stint. A script says what a model would say; everything else of the run is real: the tools
 * run, the test fails, the edit is made, the test passes. The demo's script knows the sample repo under `examples/`.
 */
import type { Json } from './protocol.ts'
import type { Script, Turn } from './server.ts'

/** Which script a task gets: the one it brings in a block ```script (an array of turns, JSON), the sample's, a walk of N turns (`walk 40`), or the one that explains itself. */
export const bundledScript: Script = ({ messages }) => {
  const { task, place, results } = situation(messages)
  const own = ownScript(task)
  if (own) return own[place] ?? own.at(-1) ?? {}
  const steps = Number(/\bwalk (\d+)\b/.exec(task)?.[1] ?? 0)
  if (steps > 0) return walk(Math.min(steps, 500), place)
  if (/test\/receipt\.test\.js|receipt/i.test(task) && /\bfail/i.test(task))
    return sample[place] ?? { text: lastWords(results) }
  return (
    explain[place] ?? {
      text: 'I am the scripted model: I looked around and changed nothing. Set GROQ_API_KEY to put a real one in my place.',
    }
  )
}

function ownScript(task: string): Turn[] | undefined {
  const block = /^```script\n(.+)\n```$/m.exec(task)?.[1]
  try {
    const turns: unknown = JSON.parse(block ?? 'null')
    return Array.isArray(turns) && turns.length > 0 ? (turns as Turn[]) : undefined
  } catch {
    return undefined
  }
}

/** Where the conversation stands: the task, how many answers it got, what the tools said. */
function situation(messages: Json[]): { task: string; place: number; results: string[] } {
  const begin = messages.findLastIndex(
    (message) => message.role === 'user' && /\n---\nWorkspace: /.test(String(message.content)),
  )
  const rest = messages.slice(begin + 1)
  return {
    task: String(messages[begin]?.content ?? '').split('\n---\n')[0] ?? '',
    place: rest.filter((message) => message.role === 'assistant').length,
    results: rest.filter((message) => message.role === 'tool').map((message) => String(message.content)),
  }
}

const PLAN = ['Run the tests and see what fails', 'Find the cause', 'Mend it', 'Run the tests again']
const plan = (done: number): Turn['calls'] => [
  {
    name: 'update_plan',
    arguments: {
      items: PLAN.map((text, i) => ({ text, status: i < done ? 'done' : i === done ? 'active' : 'pending' })),
    },
  },
]

const sample: Turn[] = [
  { calls: plan(0) ?? [] },
  { calls: [{ name: 'run_tests', arguments: {} }] },
  {
    text: 'The total is off by a cent. I look for where it is summed.',
    calls: [{ name: 'search_text', arguments: { pattern: 'total', glob: '*.js' } }],
  },
  { calls: [{ name: 'read_file', arguments: { path: 'src/receipt.js' } }] },
  {
    text: 'Discounts are rounded down for each line; the price in cents must be rounded to the nearest one.',
    calls: [
      {
        name: 'edit_file',
        arguments: {
          path: 'src/receipt.js',
          oldText: '  return Math.floor(priceCents * quantity * (1 - percentOff / 100))\n',
          newText: '  return Math.round((priceCents * quantity * (100 - percentOff)) / 100)\n',
        },
      },
    ],
  },
  { calls: [{ name: 'run_tests', arguments: {} }] },
  { calls: plan(4) ?? [] },
]

function lastWords(results: string[]): string {
  const green = results.some((result) => /fail 0/.test(result))
  return [
    '`lineTotal` in src/receipt.js cut fractions of a cent off with Math.floor, so a discounted line came out a cent short, and floating point made it worse (1 - 0.15 is not exactly 0.85).',
    'It now multiplies in whole cents and rounds to the nearest one. No test was changed.',
    green
      ? 'Checked: npm test failed before the change and passes now.'
      : 'The tests were run, but I did not see them pass.',
  ].join('\n')
}

const explain: Turn[] = [{ calls: [{ name: 'list_files', arguments: { limit: 20 } }] }]

/** A run of N turns that reads, writes and runs: for smoke tests of a whole deployment. */
function walk(turns: number, place: number): Turn {
  if (place >= turns - 1) return { text: `Walked ${turns} turns.` }
  const kinds: Turn[] = [
    { calls: [{ name: 'list_files', arguments: { limit: 20 } }] },
    { calls: [{ name: 'write_file', arguments: { path: `walk/step-${place}.txt`, content: `step ${place}\n` } }] },
    { calls: [{ name: 'read_file', arguments: { path: `walk/step-${place - 1}.txt` } }] },
    { calls: [{ name: 'run_command', arguments: { command: 'cat walk/*.txt | wc -l' } }] },
  ]
  return kinds[place % kinds.length] ?? {}
}
