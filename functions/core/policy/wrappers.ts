/** Programs that run another one named in their arguments: what they run is judged as if it stood there alone. */

import type { Finding } from './effects.ts'
import { assigning } from './environment.ts'
import { readOptions, words } from './options.ts'
import { readingOf } from './places.ts'
import { type Call, found, indirectly, present, type Rule } from './rule.ts'
import type { Arg } from './words.ts'

/** The inner command behind this program's own options and `skip` words. */
function inside(
  call: Call,
  valued: string,
  skip = 0,
): { inner: Arg[]; options: ReturnType<typeof readOptions>['options'] } {
  const { options, operands } = readOptions(call.args, words(valued), false)
  return { inner: operands.slice(skip), options }
}

/** Runs the inner command as it is. */
const plainly =
  (valued: string, skip = 0, asks = true): Rule =>
  (call) => {
    const { inner } = inside(call, valued, skip)
    if (inner.length === 0) return found('runs', `${call.program} without a command`, call.part)
    const findings = call.command(inner, call.stdin)
    return findings.length > 0 || !asks ? findings : found('runs', `${call.program} runs another program`, call.part)
  }

/** Leaves its process group, so that only a home which isolates ends it. */
const apart: Rule = (call) => {
  const { inner } = inside(call, '')
  return [
    ...call.command(inner, call.stdin),
    ...found('hides', `${call.program} lets a program outlive its command`, call.part),
  ]
}

const env: Rule = (call) => {
  const { args, part } = call
  const { options, operands } = readOptions(args, words('u C unset chdir argv0'), false)
  if (options.some(({ name, long }) => name === 'S' || (long && 'split-string'.startsWith(name))))
    return found('hides', 'env -S splits a text into a command', part)
  const odd = options.find(({ name }) => !/^(i|ignore-environment|u|unset|0|null)$/.test(name))
  if (odd)
    return [
      ...call.command(
        operands.filter(({ shape }) => !shape.includes('=')),
        call.stdin,
      ),
      ...found('reaches', `env ${odd.arg.text} runs a program elsewhere`, part),
    ]
  const begin = operands.findIndex(({ shape }) => !/^[A-Za-z_]\w*=/.test(shape))
  const set = begin === -1 ? operands : operands.slice(0, begin)
  if (begin === -1) return found('harms', 'prints the environment', part)
  const assigned = set.map((arg) =>
    assigning(arg.shape.split('=')[0] as string, { ...arg, value: arg.value?.replace(/^[^=]*=/, '') }, part),
  )
  const inner = call.command(operands.slice(begin), call.stdin)
  return [...present(assigned), ...inner]
}

const xargs: Rule = (call) => {
  const { inner, options } = inside(
    call,
    'a d E I L n P s arg-file delimiter max-args max-procs replace max-lines max-chars process-slot-var',
  )
  const files = present(
    options.map(({ name, value }) => (/^(a|arg-file)$/.test(name) && value ? readingOf(value, call.part) : undefined)),
  )
  if (inner.length === 0) return [...files, ...found('runs', 'xargs prints its input', call.part)]
  const program = inner[0]?.value ?? ''
  const takesCode = /^(ba|da|z|k|a)?sh$|^(eval|source|\.|env|python\d*|node|perl|ruby|xargs|sudo)$/.test(program)
  const findings = call.command(inner, { from: 'pipe' })
  return [
    ...files,
    ...indirectly(call, findings),
    ...(takesCode ? found('hides', `xargs gives ${program} its input as arguments`, call.part) : []),
  ]
}

const command: Rule = (call) => {
  const lookup = call.args[0]?.shape ?? ''
  if (/^-[vV]$/.test(lookup)) return []
  return plainly('', 0, false)({ ...call, args: lookup === '-p' ? call.args.slice(1) : call.args })
}

/** `exec` with no program only changes where output goes, which its redirections tell. */
const exec: Rule = (call) => {
  const { inner } = inside(call, 'a')
  if (inner.length === 0) return found('runs', 'exec changes the shell itself', call.part)
  return [...call.command(inner, call.stdin), ...found('runs', 'exec replaces the shell', call.part)]
}

/** The program `time`, which can write what it measured. */
const timing: Rule = (call) => {
  const { options } = inside(call, 'f o format output')
  const writes = options.some(({ name }) => /^(o|ou?t?p?u?t?|a|append)$/.test(name))
  return [
    ...plainly('f o format output', 0, false)(call),
    ...(writes ? found('changes', 'time -o writes a file', call.part) : []),
  ]
}

const watch: Rule = (call) => {
  const { inner } = inside(call, 'n interval')
  const text = inner.map(({ shape }) => shape).join(' ')
  const findings: Finding[] = inner.some(({ value }) => value === undefined)
    ? found('hides', 'watch runs a command that the line does not show', call.part)
    : call.script(text)
  return [...findings, ...found('runs', 'watch never ends', call.part)]
}

export const WRAPPERS: Record<string, Rule> = {
  env,
  xargs,
  command,
  exec,
  watch,
  builtin: plainly('', 0, false),
  time: timing,
  timeout: plainly('k s kill-after signal', 1, false),
  gtimeout: plainly('k s kill-after signal', 1, false),
  nice: plainly('n adjustment', 0, false),
  ionice: plainly('c n p class classdata'),
  chrt: plainly('', 1),
  taskset: plainly('c', 1),
  stdbuf: plainly('i o e input output error', 0, false),
  unbuffer: plainly(''),
  nohup: plainly(''),
  caffeinate: plainly(''),
  strace: plainly('e o s p'),
  ltrace: plainly('e o s p'),
  gdb: plainly('ex x p'),
  faketime: plainly('', 1),
  dotenv: plainly('f e'),
  'cross-env': env,
  busybox: plainly('', 0),
  toybox: plainly('', 0),
  chronic: plainly(''),
  parallel: xargs,
  setsid: apart,
  daemonize: apart,
  script: (call) => found('hides', 'script starts a shell', call.part),
  flock: plainly('c w E', 1),
}
