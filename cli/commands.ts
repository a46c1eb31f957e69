/** Every command of the terminal: how it is called, its options, and the file that does it, loaded when it is used. */
import type { ParseArgsConfig } from 'node:util'
import type { Given } from './usage.ts'

type Options = NonNullable<ParseArgsConfig['options']>
export type Command = {
  usage: string
  about: string
  options?: Options
  help?: string[]
  run: (given: Given) => Promise<number>
}

const SERVER: Options = { server: { type: 'string' } }
const PLACE: Options = {
  ...SERVER,
  repo: { type: 'string' },
  ref: { type: 'string' },
  session: { type: 'string' },
  json: { type: 'boolean' },
}
const PLACE_HELP = [
  '--repo PATH_OR_URL  the repository (default: the current directory)',
  '--ref REF           a branch, tag or commit of it instead of the files as they stand',
  '--session ID        the files of a session instead, as its last run left them',
]
const SERVER_HELP = '--server URL        talk to a running Stint instead (its key in STINT_API_KEY)'

export const COMMANDS: Record<string, Command> = {
  run: {
    usage: 'run "task"',
    about: 'one run from the terminal',
    options: {
      ...SERVER,
      repo: { type: 'string' },
      ref: { type: 'string' },
      approval: { type: 'string' },
      'max-cost': { type: 'string' },
      'max-turns': { type: 'string' },
      model: { type: 'string' },
      branch: { type: 'string' },
      apply: { type: 'boolean' },
      json: { type: 'boolean' },
      quiet: { type: 'boolean' },
    },
    help: [
      '--repo PATH_OR_URL  the repository (default: the current directory); a local one is never changed',
      '--ref REF           a branch, tag or commit of it instead of the files as they stand',
      '--approval MODE     ask (default), auto or deny: what becomes of calls that need an approval',
      '--max-cost USD      end before spending more (default 1)',
      '--max-turns N       end after N model answers (default 100)',
      '--model ID          a model id, "scripted", or "auto" (default)',
      '--branch NAME       commit the result to a new branch of the local repository',
      '--apply             write the result to the working tree; refused where a touched file has uncommitted changes',
      '--json              events, one JSON line each',
      '--quiet             nothing but the answer',
      SERVER_HELP,
    ],
    run: async (given) => (await import('./run.ts')).run(given),
  },
  serve: {
    usage: 'serve',
    about: 'API and worker in one process (also: npm start)',
    help: ['PORT, HOST and the other variables are described in .env.example'],
    run: async () => (await import('./run.ts')).serve(),
  },
  runs: {
    usage: 'runs',
    about: 'runs, newest first',
    options: { ...SERVER, limit: { type: 'string' }, status: { type: 'string' }, json: { type: 'boolean' } },
    help: [
      '--limit N            how many (default 20)',
      '--status STATUS      only these',
      '--json              as JSON, for programs',
      SERVER_HELP,
    ],
    run: async (given) => (await import('./look.ts')).runs(given),
  },
  show: {
    usage: 'show RUN',
    about: 'one run with its transcript',
    options: { ...SERVER, json: { type: 'boolean' } },
    help: ['--json              as JSON, for programs', SERVER_HELP],
    run: async (given) => (await import('./look.ts')).show(given),
  },
  watch: {
    usage: 'watch RUN',
    about: 'follow a run; one that nobody works on goes on here',
    options: { ...SERVER, json: { type: 'boolean' } },
    help: ['--json              as JSON, for programs', SERVER_HELP],
    run: async (given) => (await import('./run.ts')).watch(given),
  },
  diff: {
    usage: 'diff RUN',
    about: 'what a run changed, as a patch for git apply',
    options: SERVER,
    help: [SERVER_HELP],
    run: async (given) => (await import('./look.ts')).diff(given),
  },
  approve: {
    usage: 'approve RUN CALL',
    about: 'let a held call be performed',
    options: { ...SERVER, remember: { type: 'string' }, detach: { type: 'boolean' } },
    help: [
      '--remember SCOPE    call (default), run, session or repo: where the same call is not asked about again',
      '--detach            do not follow the run afterwards',
      SERVER_HELP,
    ],
    run: async (given) => (await import('./send.ts')).approve(given),
  },
  deny: {
    usage: 'deny RUN CALL',
    about: 'refuse a held call',
    options: { ...SERVER, reason: { type: 'string' }, detach: { type: 'boolean' } },
    help: [
      '--reason TEXT       told to the model',
      '--detach            do not follow the run afterwards',
      SERVER_HELP,
    ],
    run: async (given) => (await import('./send.ts')).deny(given),
  },
  say: {
    usage: 'say RUN "message"',
    about: 'steer a run under way, or answer its question',
    options: { ...SERVER, detach: { type: 'boolean' } },
    help: ['--detach            do not follow the run afterwards', SERVER_HELP],
    run: async (given) => (await import('./send.ts')).say(given),
  },
  cancel: {
    usage: 'cancel RUN',
    about: 'end a run, its running command included',
    options: { ...SERVER, reason: { type: 'string' } },
    help: ['--reason TEXT', SERVER_HELP],
    run: async (given) => (await import('./send.ts')).cancel(given),
  },
  fork: {
    usage: 'fork RUN --step N',
    about: 'a second run from a step of the first',
    options: {
      ...SERVER,
      step: { type: 'string' },
      task: { type: 'string' },
      model: { type: 'string' },
      detach: { type: 'boolean' },
    },
    help: [
      '--step N            go on from what was said and done up to this step; "stint show RUN" tells how many there are',
      '--task TEXT         with another task',
      '--model ID          with another model',
      '--detach            do not follow the new run',
      SERVER_HELP,
    ],
    run: async (given) => (await import('./send.ts')).fork(given),
  },
  search: {
    usage: 'search "query"',
    about: 'find code by what it is about',
    options: {
      ...PLACE,
      limit: { type: 'string' },
      path: { type: 'string' },
      language: { type: 'string' },
      exact: { type: 'boolean' },
      regex: { type: 'boolean' },
    },
    help: [
      ...PLACE_HELP,
      '--path PATH         only below this folder, in this file, or where this pattern matches',
      '--language NAME     only files of this language, as typescript or python',
      '--exact, --regex    every line with the text, or that matches, instead of what is about it',
      '--limit N           how many (default 10)',
      '--json              one JSON line each',
      SERVER_HELP,
    ],
    run: async (given) => (await import('./search.ts')).search(given),
  },
  index: {
    usage: 'index',
    about: 'build or refresh the index that search uses',
    options: PLACE,
    help: [...PLACE_HELP, '--json              as JSON, for programs', SERVER_HELP],
    run: async (given) => (await import('./search.ts')).index(given),
  },
  memory: {
    usage: 'memory [list|add|edit ID|delete ID] "text"',
    about: 'what earlier runs learnt and later ones are told',
    options: {
      ...SERVER,
      repo: { type: 'string' },
      kind: { type: 'string' },
      scope: { type: 'string' },
      json: { type: 'boolean' },
    },
    help: [
      'list "text"         all of it, or what fits the text best first',
      'add "text"          one more; edit ID "text" another text; delete ID no later run is told of it',
      '--repo PATH_OR_URL  only what is for this repository',
      '--kind KIND         convention, command, dead_end, preference or other',
      '--scope SCOPE       user (default), repo, org or all: who is told of it',
      '--json              one JSON line each',
      SERVER_HELP,
    ],
    run: async (given) => (await import('./memory.ts')).memory(given),
  },
  tools: {
    usage: 'tools',
    about: 'every tool with its risk',
    options: { ...SERVER, json: { type: 'boolean' } },
    help: ['--json              as JSON, for programs', SERVER_HELP],
    run: async (given) => (await import('./look.ts')).tools(given),
  },
  policy: {
    usage: 'policy check "cmd"',
    about: 'what policy says of a command line',
    options: { json: { type: 'boolean' }, stdin: { type: 'boolean' } },
    help: ['--json --stdin      one JSON string per input line, one verdict per output line'],
    run: async (given) => (await import('./policy.ts')).policyCheck(given),
  },
  keys: {
    usage: 'keys create --offline',
    about: 'make an API key and its line for STINT_API_KEY_HASHES',
    options: { offline: { type: 'boolean' }, scopes: { type: 'string' }, id: { type: 'string' } },
    help: [
      '--offline           print the key and its hash; nothing is stored',
      '--scopes LIST       run, read, approve, admin, joined by commas (default run,read,approve)',
      '--id NAME           what the key is called in logs',
    ],
    run: async (given) => (await import('./keys.ts')).createKey(given),
  },
  eval: {
    usage: 'eval DIR',
    about: 'attempts at a folder of tasks with checks: what passes, at what cost',
    options: {
      ...SERVER,
      ...Object.fromEntries(
        'attempts jobs model name only max-cost budget predictions import check compare'
          .split(' ')
          .map((name) => [name, { type: 'string' }] as const),
      ),
      verify: { type: 'boolean' },
      json: { type: 'boolean' },
    },
    help: [
      'A task is a folder with a task.json; examples/eval holds thirty, docs/eval.md tells the format.',
      '--attempts N        attempts at each task (default 1); more give pass@N',
      '--jobs N            attempts at the same time (default 1)',
      '--model ID          a model id, "auto" (default), or "scripted" to try the plumbing by the solutions',
      '--only TEXT         tasks with this in their name',
      '--max-cost USD      what one attempt may spend; --budget USD what all may',
      '--name NAME         where results are kept (STINT_HOME/eval/NAME); the same name goes on where it broke off',
      '--verify            no model: each check must fail at the start and pass with the solution',
      '--predictions FILE  append patches in the form that SWE-bench graders read',
      '--import KIND:PATH  fill DIR from swe-bench:ROWS.jsonl or polyglot:FOLDER instead; --check COMMAND is their check',
      '--compare A,B       two names side by side, with confidence intervals',
      '--json              rows as JSON, one line each',
      SERVER_HELP,
    ],
    run: async (given) => (await import('./eval.ts')).evaluate(given),
  },
  demo: {
    usage: 'demo',
    about: 'watch it mend a failing test in a sample repository',
    run: async () => (await import('./demo.ts')).demo(),
  },
  doctor: {
    usage: 'doctor',
    about: 'check every configured service with a real call',
    options: { ...SERVER, json: { type: 'boolean' }, 'no-run': { type: 'boolean' } },
    help: [
      '--json              as JSON, for programs',
      '--no-run            with --server: leave out the run of 40 turns on the scripted model',
      SERVER_HELP,
    ],
    run: async (given) => (await import('./doctor.ts')).doctor(given),
  },
}
