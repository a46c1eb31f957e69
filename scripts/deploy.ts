/**
 * `npm run deploy -- --stage NAME`: Stint on AWS. It asks first whether all is there, shows what will be made and what it
 * costs, and makes nothing until that is agreed to. `--dry-run` stops before that, `--yes` agrees, `--image URI@sha256:…`
 * uses an image of the sandbox that is in ECR already.
 */
import { createInterface } from 'node:readline/promises'
import { parseArgs } from 'node:util'
import { alarmsFor } from '../stacks/alarm-table.ts'
import { estimate, type Line, TYPICAL_RUN } from '../stacks/cost.ts'
import { type Plan, planFor } from '../stacks/plan.ts'
import { main as build } from './build.ts'
import { type Check, checksFor } from './checks.ts'
import { must, pushImage, Stop } from './image.ts'

const print = (text: string) => process.stdout.write(`${text}\n`)

async function main(): Promise<void> {
  const { stage, image, dryRun, yes } = readArgs()
  const plan = planFor(stage)
  const { checks, account } = checksFor(plan, image)
  for (const check of checks) print(lineOf(check))
  print(`\n${whatIsMade(plan)}\n\n${whatItCosts(plan)}`)
  const lacking = checks.filter(({ ok }) => !ok)
  if (lacking.length > 0 || !account)
    throw new Stop(`not ready: ${lacking.map(({ name }) => name).join(', ')}. Nothing was made.`)
  if (dryRun) {
    print('\nready; --dry-run makes nothing.')
    return
  }
  if (!yes && !(await agreed(`\nDeploy "${stage}" to account ${account.account} in ${account.region}?`)))
    throw new Stop('nothing was made.')

  await build()
  must('npm', ['run', '-s', 'sst', '--', 'install'])
  const uri = image ?? pushImage(account)
  must('npm', ['run', '-s', 'sst', '--', 'deploy', '--stage', stage], {
    SANDBOX_IMAGE_URI: uri,
    AWS_REGION: account.region,
  })
  print('\ndeployed. Now: STINT_API_KEY=sk_stint_… npx stint doctor --server URL   (URL stands above)')
  print(`rollback and removal: docs/deploy/aws.md. The image: ${uri}`)
}

function readArgs() {
  try {
    const { values } = parseArgs({
      options: {
        stage: { type: 'string' },
        image: { type: 'string' },
        'dry-run': { type: 'boolean', default: false },
        yes: { type: 'boolean', default: false },
      },
    })
    if (!values.stage) throw new Error('say which stage: npm run deploy -- --stage NAME')
    return { stage: values.stage, image: values.image, dryRun: values['dry-run'], yes: values.yes }
  } catch (error) {
    throw new Stop((error as Error).message)
  }
}

const lineOf = ({ name, ok, detail, fix }: Check): string =>
  `${ok ? '✓' : '✗'} ${name.padEnd(12)} ${detail}${ok || !fix ? '' : `\n  ${fix.replaceAll('\n', '\n  ')}`}`

function whatIsMade(plan: Plan): string {
  const { stage, api, worker, burial, timer, sandbox, carrier, logDays } = plan
  const size = ({ memoryMb, timeoutS, reserved }: typeof timer) =>
    `${memoryMb} MB, up to ${timeoutS} s, ${reserved} at once`
  return [
    `Stage "${stage}" (where it is there already, only what differs is changed):`,
    `  api       ${size(api)}, behind a REST API (${api.ratePerSecond} requests a second) and a CDN with the console`,
    `  worker    ${size(worker)}, fed by an SQS queue; given up after ${worker.receivesMax} deliveries`,
    `  burial    ${size(burial)}, fed by the dead letters`,
    `  timer     ${size(timer)}, every minute`,
    `  sandbox   ${size(sandbox)}, an environment per run, in a network without a way out`,
    `  carrier   ${size(carrier)}, with a way out, for clone and push`,
    `  two buckets, ${alarmsFor(plan).length} alarms and a dashboard, logs kept for ${logDays} days`,
  ].join('\n')
}

function whatItCosts(plan: Plan): string {
  const { idle, idleUsd, idleFreeUsd, thousandRuns, thousandRunsUsd } = estimate(plan, alarmsFor(plan).length)
  const list = (lines: Line[]) => lines.map(({ what, usd }) => `    ${usd.toFixed(2).padStart(7)}  ${what}`)
  const { turns, toolCalls, toolSeconds } = TYPICAL_RUN
  return [
    'Cost in US dollars, at list prices of us-east-1:',
    `  idle       ${idleUsd.toFixed(2)} a month; ${idleFreeUsd.toFixed(2)} where AWS's standing free allowances are not used up`,
    ...list(idle),
    `  1,000 runs ${thousandRunsUsd.toFixed(2)} (each ${turns} turns, ${toolCalls} calls, ${toolSeconds} s of commands)`,
    ...list(thousandRuns),
    '  not in it: the model, Upstash, Neon.',
  ].join('\n')
}

async function agreed(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new Stop('nobody is here to agree: add --yes. Nothing was made.')
  const reader = createInterface({ input: process.stdin, output: process.stdout })
  const answer = await reader.question(`${question} [y/N] `)
  reader.close()
  return /^y(es)?$/i.test(answer.trim())
}

main().catch((error: Error) => {
  process.stderr.write(`deploy: ${error.message}\n`)
  process.exit(1)
})
