/**
 * What the model says in each run, and how people behave: all drawn from the seed at the start. A run's answers are a
 * pure function of the run and of how many answers its transcript holds, as if the model had no chance of its own.
 */
import type { ApprovalMode, Decision } from '../../functions/core/types.ts'
import type { Random } from './random.ts'

export type ScriptedCall = { name: string; args: Record<string, unknown> }
export type Answer = { text: string; calls: ScriptedCall[] }

export type RunPlan = {
  /** Begins the task, so that the model can tell runs apart. */
  label: string
  approval: ApprovalMode
  answers: Answer[]
  startsAtMs: number
  /** Works on in the session of that run. */
  follows?: string
  costUsd?: number
  callback: boolean
  /** How often the request is sent under its key. */
  posts: number
  otherBody: boolean
  cancelAtMs?: number
  saysAtMs: number[]
  /** How the people who watch this run decide, one by one. */
  deciders: Decider[]
  /** Nobody answers: the default applies after its time. */
  nobody: boolean
  removedAfterwards: boolean
  /** Somebody begins a second run from the middle of it. */
  forkAtMs?: number
}
export type Decider = { approves: number; remember: Decision['remember']; looksEveryMs: number }

export const BASE_FILES: Record<string, string> = { 'a.txt': 'begin\nEND\n', 'b.txt': 'bee\n', 'log.txt': '' }

export function planRuns(random: Random): RunPlan[] {
  const plans: RunPlan[] = []
  const count = random.int(2, 4)
  for (let n = 1; n <= count; n++) {
    const before = plans.at(-1)
    const follows =
      before && !before.removedAfterwards && !before.nobody && random.chance(0.4) ? before.label : undefined
    plans.push(planRun(`R${n}`, random, follows))
  }
  return plans
}

function planRun(label: string, random: Random, follows: string | undefined): RunPlan {
  const nobody = random.chance(0.12)
  const removedAfterwards = random.chance(0.06)
  const approval: ApprovalMode = random.pick(['ask', 'ask', 'ask', 'auto', 'auto', 'deny'])
  return {
    label,
    approval,
    answers: answersOf(label, random, nobody),
    startsAtMs: random.int(0, 30_000),
    ...(follows ? { follows } : {}),
    ...(random.chance(0.08) ? { costUsd: random.pick([0.001, 0.002, 0.004]) } : {}),
    callback: random.chance(0.4),
    posts: random.chance(0.3) ? random.int(2, 3) : 1,
    // With its session a key is free again.
    otherBody: random.chance(0.1) && !removedAfterwards,
    ...(random.chance(0.15) ? { cancelAtMs: random.int(100, 60_000) } : {}),
    saysAtMs: Array.from({ length: nobody ? 8 : random.pick([0, 0, 1, 2, 5]) }, () =>
      random.int(100, nobody ? 8000 : 60_000),
    ),
    deciders: Array.from({ length: random.int(1, 2) }, () => ({
      approves: random.pick([1, 1, 0.7, 0.2]),
      remember: random.pick(['call', 'call', 'run', 'session']),
      looksEveryMs: random.int(2000, 12_000),
    })),
    nobody,
    removedAfterwards,
    ...(random.chance(0.25) ? { forkAtMs: random.int(1000, 60_000) } : {}),
  }
}

/** A run that nobody answers has a question soon, so that what was said to it before may be there first. */
function answersOf(label: string, random: Random, asks: boolean): Answer[] {
  const turns: ScriptedCall[][] = random.chance(0.5) ? [[plan(label)]] : []
  if (asks) turns.push(...turnsOf('question', `${label}.0`, random))
  const kinds = [
    'reads',
    'edit',
    'command',
    'edit',
    'mixed',
    'mixed',
    'question',
    'tests',
    'outside',
    'publish',
    'write',
  ] as const
  const length = random.int(3, 8)
  for (let n = 1; n <= length; n++) turns.push(...turnsOf(random.pick(kinds), `${label}.${n}`, random))
  return [
    ...turns.map((calls, i) => ({ text: `${label} answer ${i}`, calls })),
    { text: `${label} is done after ${turns.length} answers`, calls: [] },
  ]
}

function turnsOf(
  kind: 'reads' | 'edit' | 'command' | 'mixed' | 'question' | 'tests' | 'outside' | 'publish' | 'write',
  line: string,
  random: Random,
): ScriptedCall[][] {
  switch (kind) {
    case 'reads':
      return [[read('a.txt'), read('log.txt'), { name: 'list_files', args: {} }]]
    case 'edit':
      return [[edit(line)]]
    case 'write':
      return [[{ name: 'write_file', args: { path: `made/${line}.txt`, content: `${line}\n` } }]]
    case 'command':
      return [[command(`echo ${line} >> log.txt`)]]
    case 'mixed':
      return [[read('a.txt'), edit(line), command(`echo ${line} >> log.txt`), read('log.txt')]]
    case 'question':
      return [[{ name: 'ask_user', args: { question: `${line}?`, default: 'as you like' } }]]
    case 'tests':
      return [
        [{ name: 'run_tests', args: {} }],
        [{ name: 'write_file', args: { path: 'fixed.txt', content: `${line}\n` } }],
        [{ name: 'run_tests', args: {} }],
      ]
    case 'publish': {
      const branch = random.chance(0.3) ? `ci-${line}` : line
      const pull = { name: 'open_pull_request', args: { title: line, body: 'As the script says.' } }
      return [[{ name: 'git_push', args: { branch } }, pull]]
    }
    case 'outside':
      return [[command(`${random.pick(['push', 'chat', 'mail'])} ${line}`)]]
  }
}

const plan = (label: string): ScriptedCall => ({
  name: 'update_plan',
  args: { items: [{ text: `do ${label}`, status: 'active' }] },
})
const read = (path: string): ScriptedCall => ({ name: 'read_file', args: { path } })
export const edit = (line: string): ScriptedCall => ({
  name: 'edit_file',
  args: { path: 'a.txt', oldText: 'END', newText: `${line}\nEND` },
})
const command = (text: string): ScriptedCall => ({ name: 'run_command', args: { command: text } })

/** What the model says when it is cut off or says a call nobody can read; not counted as an answer of the script. */
export const NOISE = 'noise: '
export const isNoise = (text: string | null): boolean => (text ?? '').startsWith(NOISE)
