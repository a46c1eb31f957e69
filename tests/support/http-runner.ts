/** The runner as a server of its own, to be killed and started again at the same address. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { ROOT, until } from './world.ts'

export const SECRET = 'a secret of the tests, long enough'

export type HttpRunner = {
  url: string
  kill(signal?: NodeJS.Signals): Promise<void>
  start(): Promise<void>
  log(): string
}

export async function httpRunnerProcess(
  t: Pick<TestContext, 'after'>,
  env: Record<string, string>,
): Promise<HttpRunner> {
  let child: ChildProcess | undefined
  let port = '0'
  let log = ''
  const kill = async (signal: NodeJS.Signals = 'SIGKILL') => {
    const last = child
    if (!last || last.exitCode !== null || last.signalCode !== null) return
    const gone = new Promise((resolve) => last.once('exit', resolve))
    last.kill(signal)
    await gone
  }
  const start = async () => {
    let said = ''
    const own = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', join(ROOT, 'sandbox-runner/http.ts')],
      {
        env: { PATH: process.env.PATH, HOST: '127.0.0.1', PORT: port, SANDBOX_TOKEN: SECRET, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    child = own
    own.stdout.on('data', (part: Buffer) => (said += part))
    own.stderr.on('data', (part: Buffer) => (log += part))
    port = await until('the runner to listen', () => {
      if (own.exitCode !== null) throw new Error(`the runner ended: ${log}`)
      return /listening on (\d+)/.exec(said)?.[1]
    })
  }
  t.after(() => kill())
  await start()
  return { url: `http://127.0.0.1:${port}/`, kill, start, log: () => log }
}
