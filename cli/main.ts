/** The `stint` command: one table of commands, their options and help; each command is a function in a file beside. */
import { parseArgs } from 'node:util'
import { InvalidEnvironment } from '../functions/env.ts'
import { VERSION } from '../functions/version.ts'
import { Refusal } from './client.ts'
import { COMMANDS, type Command } from './commands.ts'
import { bold, dim, onBrokenPipe } from './output.ts'
import { type Given, UsageError } from './usage.ts'

export async function main(args: string[]): Promise<void> {
  // `stint runs | head`: a reader that has seen enough is no error. A server stays without one.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' && args[0] !== 'serve') process.exit(onBrokenPipe.code)
  })
  process.exitCode = await dispatch(args)
}

async function dispatch([name, ...rest]: string[]): Promise<number> {
  if (name === 'warm') return (await import('./warm.ts')).warm()
  if (name === '--version' || name === '-v') return print(VERSION)
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    const about = rest[0] ? commandNamed(rest[0]) : undefined
    print(about ? helpOf(about) : overview())
    return name === undefined ? 2 : 0
  }
  const command = commandNamed(name)
  if (!command) return wrong(`there is no command "${name}"; "stint --help" lists them`)
  try {
    const { values, positionals } = parseArgs({
      args: rest,
      options: { ...command.options, help: { type: 'boolean', short: 'h' } },
      allowPositionals: true,
      strict: true,
    })
    if (values.help) return print(helpOf(command))
    // A text at the end takes all words that are left, quoted or not.
    const wanted = command.usage.split(' ').filter((word) => !word.startsWith('--')).length - 1
    if (positionals.length > wanted && !command.usage.endsWith('"'))
      throw new UsageError(`"${positionals[wanted]}" is one word too many`)
    return await command.run({ values: values as Given['values'], words: positionals })
  } catch (error) {
    return explain(error, name, command)
  }
}

const commandNamed = (name: string): Command | undefined => (Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined)

function explain(error: unknown, name: string, { usage }: Command): number {
  const { message, code } = error as Error & { code?: string }
  if (error instanceof UsageError || code?.startsWith('ERR_PARSE_ARGS')) {
    const said =
      code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE'
        ? message
            .split('\n')[0]
            ?.replace(
              / argument is ambiguous\.?$/,
              ' needs a value; one that begins with "-" is written --option=VALUE',
            )
        : message
    return wrong(`${said}\n${dim(`usage: stint ${usage}; "stint ${name} --help" tells more`)}`)
  }
  if (error instanceof InvalidEnvironment)
    return failed(error.lines.map((line) => `cannot start: ${line}`).join('\nstint '))
  if (error instanceof Refusal) return refused(error)
  return failed(message)
}

/** The fields of the interface in the words of the command line. */
const OPTIONS: Record<string, string> = {
  'limits.turns': '--max-turns',
  'limits.costUsd': '--max-cost',
  'repo.url': '--repo',
  'repo.ref': '--ref',
  approval: '--approval',
  model: '--model',
}

function refused({ code, message, hint, status }: Refusal): number {
  const words =
    code === 'unauthorized' ? 'the server wants an API key, or refuses this one: set STINT_API_KEY' : message
  const said = Object.entries(OPTIONS).reduce(
    (text, [field, option]) => text.replace(new RegExp(`\\b${field.replace('.', '\\.')}(?=\\b)`, 'g'), option),
    [words, ...(hint ? [hint] : [])].join('\n'),
  )
  process.stderr.write(`stint: ${said} ${dim(`[${code}]`)}\n`)
  return status === 422 || status === 400 || status === 404 ? 2 : 1
}

function failed(message: string): number {
  process.stderr.write(`stint: ${message}\n`)
  return 1
}

function wrong(message: string): number {
  process.stderr.write(`stint: ${message}\n`)
  return 2
}

function print(text: string): number {
  process.stdout.write(`${text}\n`)
  return 0
}

const overview = (): string =>
  [
    `${bold('stint')} ${VERSION} — a coding agent that works in short stints, and loses nothing when it is killed`,
    '',
    ...Object.values(COMMANDS).map(({ usage, about }) => `  stint ${usage.padEnd(24)} ${dim(about)}`),
    '',
    'Exit codes: 0 done, 1 failed, 2 usage, 3 ended without finishing or waits for a person.',
    'GROQ_API_KEY is the key of the model; state is kept under STINT_HOME (default ~/.stint); .env.example lists the rest.',
    'For example:  stint run "make the failing test pass" --approval auto --branch fix/test',
    '"stint COMMAND --help" tells the options.',
  ].join('\n')

const helpOf = ({ usage, about, help = [] }: Command): string =>
  [`stint ${usage}`, about, ...(help.length > 0 ? ['', ...help.map((line) => `  ${line}`)] : [])].join('\n')
