/**
 * Shares a batch among processes. Seeds are worlds of their own, so the reports are those of one process after the
 * other; they are told in the order of the seeds, and what comes behind the first violation is not told at all.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Answer, Share } from './part.ts'
import type { Report } from './run.ts'

/** Small enough that processes end together, large enough to be worth a message. */
const SEEDS_A_SHARE = 10
/** Processes that died in a world leave promises that nobody settles: a part makes room by ending now and then. */
const SHARES_A_LIFE = 100

export async function* shared(
  store: Share['store'],
  seeds: string[],
  { jobs, mutant }: { jobs: number; mutant?: string | undefined },
): AsyncGenerator<Report> {
  const shares: Share[] = []
  for (let i = 0; i < seeds.length; i += SEEDS_A_SHARE) shares.push({ store, seeds: seeds.slice(i, i + SEEDS_A_SHARE) })
  const answers = shares.map(() => Promise.withResolvers<Answer>())
  for (const { promise } of answers) promise.catch(() => {})
  let [next, stopped] = [0, false]
  const work = async () => {
    while (next < shares.length && !stopped) {
      const part = start(mutant)
      for (let done = 0; done < SHARES_A_LIFE && next < shares.length && !stopped; done++) {
        const mine = next++
        const share = shares[mine]
        if (share) await ask(part, share).then(answers[mine]?.resolve, answers[mine]?.reject)
      }
      if (part.connected) part.disconnect()
    }
  }
  const working = Array.from({ length: Math.min(jobs, shares.length) }, work)
  try {
    for (const [i, { promise }] of answers.entries()) {
      for (const report of (await promise).reports) {
        yield report
        if (report.violation) return
      }
      // A long batch does not keep what it has told.
      delete answers[i]
    }
  } finally {
    stopped = true
    await Promise.all(working)
  }
}

const start = (mutant: string | undefined): ChildProcess =>
  fork(fileURLToPath(new URL('./part.ts', import.meta.url)), mutant === undefined ? [] : [mutant], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    serialization: 'advanced',
  })

function ask(part: ChildProcess, share: Share): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const died = (code: number | null): void => reject(new Error(`a process of the batch ended with ${code}`))
    part.once('exit', died)
    part.once('message', (answer) => {
      part.off('exit', died)
      resolve(answer as Answer)
    })
    part.send(share)
  })
}
