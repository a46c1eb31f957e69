/**
 * `npm run demo`: a real run in a real repository with a failing test. The bundled sample is copied and committed first,
 * so it stays as it is; without a key the answers come from the scripted model, everything else is what a user gets.
 */
import { execFile } from 'node:child_process'
import { cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { connect } from './connect.ts'
import { follow } from './follow.ts'
import { bold, colourDiff, cyan, dim } from './output.ts'
import { exitCode, summary } from './summary.ts'

const TASK = 'A test in test/receipt.test.js fails. Find out why and mend the code, not the test.'
const run = promisify(execFile)

export async function demo(): Promise<number> {
  const connection = await connect(undefined)
  const { client, env } = connection
  const home = env?.STINT_HOME ?? ''
  const scripted = !env?.GROQ_API_KEY && !env?.GROQ_BASE_URL
  try {
    const repo = join(home, 'demo', new Date().toISOString().replace(/[:.]/g, '-'), 'receipts')
    await mkdir(repo, { recursive: true })
    await cp(fileURLToPath(new URL('../examples/sample', import.meta.url)), repo, { recursive: true })
    const git = (...args: string[]) =>
      run('git', ['-c', 'user.name=Demo', '-c', 'user.email=demo@localhost', '-C', repo, ...args])
    await git('init', '-q')
    await git('add', '-A')
    await git('commit', '-qm', 'A receipt printer with a failing test')

    say(bold('Stint mends a failing test'))
    say(
      scripted
        ? 'No GROQ_API_KEY is set: the answers come from the bundled scripted model. GROQ_API_KEY=gsk_… npm run demo uses Groq.'
        : 'GROQ_API_KEY is set: the answers come from Groq.',
    )
    say(dim(`A copy of examples/sample, committed in ${repo}`))
    say(`\n${cyan('task')}  ${TASK}\n`)
    const accepted = await client.post<{ runId: string }>('/execute', {
      task: TASK,
      repo: { url: repo },
      approval: 'auto',
      ...(scripted ? { model: 'scripted' } : {}),
    })
    connection.adopt(accepted.runId)
    const { run: ended } = await follow({
      client,
      runId: accepted.runId,
      style: 'live',
      interrupt: 'cancel',
      suffix: '',
    })
    say(`\n${colourDiff(await client.text(`/runs/${ended.runId}/diff`)).trimEnd()}`)
    say(summary(ended))
    say(`kept    ${home}; npx stint show ${ended.runId}`)
    say(dim(`\nYour turn: npx stint run "what you want done" --repo PATH_OR_URL`))
    return exitCode(ended)
  } finally {
    await connection.close()
  }
}

const say = (text: string): void => void process.stdout.write(`${text}\n`)
