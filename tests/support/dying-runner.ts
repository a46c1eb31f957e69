/**
 * The sandbox-runner, which kills itself at the n-th thing it does to the disk since a change began, or at its first
 * request to the network: before that is done, or just after. Whoever counts n up has met every such point.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const [when, wanted] = (process.env.STINT_TEST_DIES ?? 'never 0').split(' ')
const send = globalThis.fetch
let armed = false
let count = 0

function around<A extends unknown[], R>(work: (...args: A) => R): (...args: A) => R {
  return (...args) => {
    // The first sign of a change is the file that says so.
    if (String(args[0]).endsWith('/dirty')) armed = true
    const dies = wanted === 'fetch' ? (work as unknown) === send : armed && ++count === Number(wanted)
    if (dies && when === 'before') process.kill(process.pid, 'SIGKILL')
    const result = work(...args)
    if (!dies || when !== 'after') return result
    if (!(result instanceof Promise)) process.kill(process.pid, 'SIGKILL')
    else void result.then(() => process.kill(process.pid, 'SIGKILL'))
    return result
  }
}

for (const name of ['openSync', 'writeSync', 'writeFileSync', 'renameSync', 'fsyncSync', 'copyFileSync'] as const)
  Object.assign(fs, { [name]: around(fs[name] as (...args: unknown[]) => unknown) })
// Removals are many, and mostly of what is not there.
const { rmSync } = fs
const removed = around(rmSync)
Object.assign(fs, {
  rmSync: (...args: Parameters<typeof rmSync>) =>
    (/\/(dirty|captured\.part)$/.test(String(args[0])) ? removed : rmSync)(...args),
})
syncBuiltinESMExports()
globalThis.fetch = around(send)

const { main } = await import('../../sandbox-runner/server.ts')
await main()
