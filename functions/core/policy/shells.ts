/** Shells, interpreters, and the builtins that change what later words of the line mean. */
import { assigning, SECRET_NAME } from './environment.ts'
import { readOptions, words } from './options.ts'
import { readingOf, secretText } from './places.ts'
import { type Call, found, present, type Rule } from './rule.ts'
import type { Arg } from './words.ts'

const shell: Rule = (call) => {
  const { args, part, program } = call
  const { options, operands } = readOptions(args, words('o O rcfile init-file'), false)
  if (options.some(({ name }) => /^(rcfile|init-file)$/.test(name)))
    return found('hides', `${program} reads a start-up file`, part)
  if (options.some(({ name, long }) => !long && name === 'c')) return inlineScript(call, operands[0])
  const [script] = operands
  if (script && !options.some(({ name, long }) => !long && name === 's')) return scriptFile(call, script)
  if (args.some(({ shape }) => /^--(version|help)$/.test(shape)))
    return found('runs', `asks ${program} about itself`, part)
  if (call.stdin.from === 'text' && call.stdin.text !== undefined)
    return [...call.script(call.stdin.text), ...found('runs', `${program} runs a script`, part)]
  return fromInput(call)
}

/** A shell or interpreter that is given its code by something that is not in the line. */
const fromInput = (call: Call) =>
  call.stdin.from === 'network'
    ? found('harms', `${call.program} runs what is fetched from the network`, call.part)
    : call.stdin.from === 'file'
      ? found('runs', `${call.program} runs a script`, call.part)
      : found('hides', `${call.program} takes its code from its input`, call.part)

/** `sh -c "$(curl …)"`, `source <(curl …)`. */
const unseen = (call: Call, { text }: { text: string }, what: string) =>
  /\b(curl|wget)\b/.test(text)
    ? found('harms', `${call.program} runs what is fetched from the network`, call.part)
    : found('hides', what, call.part)

const inlineScript = (call: Call, script: Arg | undefined) =>
  script?.value === undefined || script.pattern
    ? unseen(call, script ?? { text: '' }, `${call.program} -c runs what the line does not show`)
    : [...call.script(script.value), ...found('runs', `${call.program} -c runs a script`, call.part)]

const scriptFile = (call: Call, script: Arg) => {
  if (script.value === undefined || /^\/dev\/(stdin|fd\/)|^\/proc\//.test(script.shape))
    return unseen(call, script, `${call.program} runs what the line does not show`)
  return [...present([readingOf(script, call.part)]), ...found('runs', `${call.program} runs a script`, call.part)]
}

const source: Rule = (call) => {
  const [script] = call.args
  return script ? scriptFile(call, script) : found('hides', 'source without a file', call.part)
}

const evaluate: Rule = (call) => {
  const dark = call.args.find(({ value, pattern }) => value === undefined || pattern)
  if (dark) return unseen(call, { text: call.part }, 'eval runs what the line does not show')
  const text = call.args.map(({ value }) => value).join(' ')
  return [...call.script(text), ...found('indirect', 'eval runs a text', call.part)]
}

type Interpreter = { inline: RegExp; module?: RegExp; valued: string; versions?: RegExp }
const PYTHON: Interpreter = { inline: /^c$/, module: /^m$/, valued: 'c m W X', versions: /^(--version|-V)$/ }
const INTERPRETERS: Record<string, Interpreter> = {
  node: {
    inline: /^(e|p|eval|print)$/,
    valued: 'e p r eval print require import loader input-type C conditions',
    versions: /^(--version|-v)$/,
  },
  nodejs: { inline: /^(e|p|eval|print)$/, valued: 'e p r eval print require import', versions: /^(--version|-v)$/ },
  python: PYTHON,
  python3: PYTHON,
  python2: PYTHON,
  pypy3: PYTHON,
  perl: { inline: /^[eEn]$/, valued: 'e E I M m', versions: /^(--version|-v)$/ },
  ruby: { inline: /^e$/, valued: 'e I r', versions: /^(--version|-v)$/ },
  php: { inline: /^(r|R|B|E)$/, valued: 'r R B E d c f', versions: /^(--version|-v)$/ },
  lua: { inline: /^e$/, valued: 'e l', versions: /^-v$/ },
  deno: { inline: /^$/, valued: '', versions: /^--version$/ },
  bun: { inline: /^(e|eval)$/, valued: 'e eval' },
  Rscript: { inline: /^e$/, valued: 'e' },
  osascript: { inline: /^e$/, valued: 'e' },
  tclsh: { inline: /^$/, valued: '' },
  ghc: { inline: /^e$/, valued: 'e' },
  ts_node: { inline: /^[ep]$/, valued: 'e p' },
}

const interpreter =
  ({ inline, module, valued, versions }: Interpreter): Rule =>
  (call) => {
    const { args, part, program } = call
    if (args.length === 1 && versions?.test(args[0]?.value ?? '')) return []
    const { options, operands } = readOptions(args, words(valued), false)
    const code = options.filter(({ name }) => inline.test(name))
    const secrets = code.some(({ value }) => value && secretText(value.text))
      ? found('harms', 'may read secrets', part)
      : []
    if (code.length > 0) return [...secrets, ...found('runs', `${program} runs code of its own`, part)]
    if (module && options.some(({ name }) => module.test(name)))
      return pythonModule(call, options.find(({ name }) => module.test(name))?.value)
    const [script] = operands
    if (script && script.shape !== '-') return scriptFile(call, script)
    if (call.stdin.from === 'text')
      return [
        ...(secretText(call.stdin.text ?? '') ? found('harms', 'may read secrets', part) : []),
        ...found('runs', `${program} runs code of its own`, part),
      ]
    if (args.length > 0 && !script) return found('runs', `${program} is given options that are not known`, part)
    return fromInput(call)
  }

const pythonModule = (call: Call, module: Arg | undefined) =>
  /^(pip|ensurepip|smtpd|ftplib|telnetlib|twine|poetry|uv)/.test(module?.shape ?? '')
    ? found('reaches', `python -m ${module?.shape} goes beyond the workspace`, call.part)
    : found('runs', `python -m ${module?.shape ?? ''} runs code`, call.part)

const EXPORTING = /^-[a-zA-Z]*p/
const declare: Rule = ({ args, part, program }) => {
  const named = args.filter(({ shape }) => !shape.startsWith('-'))
  if (named.length === 0 || (program === 'export' && args.some(({ shape }) => EXPORTING.test(shape))))
    return found('harms', 'prints the environment', part)
  if (args.some(({ shape }) => /^[-+]\w*[nifAa]/.test(shape)))
    return found('indirect', `${program} changes what a name means`, part)
  const findings = named.map((arg) => {
    const [name = '', ...rest] = arg.shape.split('=')
    if (!/^[A-Za-z_]\w*\+?$/.test(name)) return found('indirect', `${program} sets what is no plain name`, part)[0]
    return assigning(
      name.replace(/\+$/, ''),
      { ...arg, value: arg.value === undefined ? undefined : rest.join('=') },
      part,
    )
  })
  return [...present(findings), ...found('runs', `${program} sets variables`, part)]
}

const set: Rule = ({ args, part }) => {
  if (args.length === 0) return found('harms', 'prints the environment', part)
  const plain = args.every(({ shape }) =>
    /^([-+][euxfnCo]+|pipefail|errexit|nounset|xtrace|noglob|noclobber|--)$/.test(shape),
  )
  return plain
    ? found('runs', 'set changes the shell', part)
    : found('indirect', 'set changes what later words mean', part)
}

const NAME = /^[A-Za-z_]\w*$/
/** Builtins that take names: a subscript in one is evaluated. */
const naming =
  (reason: string): Rule =>
  ({ args, part }) =>
    args.some(
      ({ shape, value }) => value === undefined || shape.startsWith('-C') || (/[[$`]/.test(shape) && !NAME.test(shape)),
    )
      ? found('indirect', 'a subscript may run what it holds', part)
      : found('runs', reason, part)

const hiding =
  (reason: string): Rule =>
  ({ part }) =>
    found('hides', reason, part)
const bending =
  (reason: string): Rule =>
  ({ part }) =>
    found('indirect', reason, part)
const running =
  (reason: string): Rule =>
  ({ part }) =>
    found('runs', reason, part)

const trap: Rule = (call) => {
  const [action] = call.args
  if (action?.value === undefined || call.args.length < 2) return found('hides', 'trap runs a text later', call.part)
  // No text: the signal is ignored, or does what it does by itself.
  if (action.value === '' || action.value === '-') return found('runs', 'trap changes what a signal does', call.part)
  return [...call.script(action.value), ...found('indirect', 'trap runs a text later', call.part)]
}

const printenv: Rule = ({ args, part }) => {
  const named = args.filter(({ shape }) => !shape.startsWith('-'))
  const plain = named.length > 0 && named.every(({ shape }) => !SECRET_NAME.test(shape) && NAME.test(shape))
  return plain ? found('runs', 'prints a variable', part) : found('harms', 'prints the environment', part)
}

export const SHELLS: Record<string, Rule> = {
  ...Object.fromEntries(
    'sh bash dash zsh ksh ash fish rbash mksh csh tcsh pwsh'.split(' ').map((name) => [name, shell]),
  ),
  ...Object.fromEntries(Object.entries(INTERPRETERS).map(([name, spec]) => [name, interpreter(spec)])),
  source,
  '.': source,
  eval: evaluate,
  export: declare,
  declare,
  typeset: declare,
  local: declare,
  readonly: declare,
  set,
  printenv,
  trap,
  compgen: hiding('lists what the shell knows'),
  alias: bending('alias changes what a later word means'),
  unalias: bending('unalias changes what a later word means'),
  hash: bending('hash rebinds a program'),
  enable: bending('enable changes builtins'),
  shopt: bending('shopt changes how the line is read'),
  complete: bending('complete runs functions'),
  bind: bending('bind runs commands'),
  fc: hiding('fc runs what an editor holds'),
  history: hiding('history shows earlier commands'),
  read: naming('reads into a variable'),
  mapfile: naming('reads into a variable'),
  readarray: naming('reads into a variable'),
  unset: naming('unsets a variable'),
  getopts: naming('reads options'),
  let: bending('let evaluates arithmetic'),
  wait: naming('waits for processes'),
  ulimit: running('changes limits'),
  umask: running('changes how files are made'),
  shift: running('shifts arguments'),
}
