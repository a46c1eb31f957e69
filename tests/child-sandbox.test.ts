/** The runner as a child, held to the contract of all homes. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { childRunner } from '../functions/adapters/child-sandbox.ts'
import { sandboxContract } from './contract/sandbox.ts'
import { ROOT, tempFolder, until } from './support/world.ts'

const entry = join(ROOT, 'sandbox-runner/server.ts')

/** Runners that this process has started. */
const children = (): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
        const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
        return Number(parent) === process.pid && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(entry)
      } catch {
        return false
      }
    })

sandboxContract(
  'child process',
  async (t) => {
    const folder = tempFolder(t)
    const before = new Set(children())
    const places = { home: join(folder, 'home'), objects: join(folder, 'objects') }
    const transport = childRunner({ entry, ...places })
    return {
      transport,
      async kill() {
        const [pid] = children().filter((one) => !before.has(one))
        if (pid) process.kill(pid, 'SIGKILL')
        await until('the runner to be gone', () => !children().includes(pid ?? 0))
      },
    }
  },
  { stops: true, skip: process.platform === 'linux' ? undefined : 'it is found in /proc' },
)
