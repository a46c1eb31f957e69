/**
 * How large each part is on a stage: stage -> numbers, and nothing else. Pure, so that tests, the stacks and the
 * estimate of `npm run deploy` read the same.
 */

export type Size = { memoryMb: number; timeoutS: number; reserved: number }
export type Plan = {
  stage: string
  api: Size & { ratePerSecond: number; burst: number }
  /** One invocation works on one run. */
  worker: Size & { visibilityS: number; receivesMax: number; perHourMax: number }
  burial: Size & { visibilityS: number }
  timer: Size
  sandbox: Size & { diskMb: number }
  carrier: Size & { diskMb: number }
  logDays: number
  /** What nobody has changed for so long goes where storing is cheaper. */
  archiveAfterDays: number
  /** Undefined: snapshots stay as long as their sessions. */
  expireAfterDays?: number
}

/** The longest command of the sandbox-runner (COMMAND_SECONDS_MAX there), which a test compares. */
export const COMMAND_S_MAX = 600
/** Lambda's own limits. */
const LAMBDA_S_MAX = 900
/** Of an account's concurrency Lambda keeps so much for functions without a reservation. */
export const UNRESERVED = 100

export function planFor(stage: string): Plan {
  // Names of functions are made of it, and those may have 64 characters.
  if (!/^[a-z][a-z0-9-]{0,29}$/.test(stage))
    throw new Error(`the stage "${stage}" must have 1 to 30 lower-case letters, digits or -, and begin with a letter`)
  const production = stage === 'production'
  return {
    stage,
    // Nothing that it does but streaming takes longer than 25 seconds.
    api: { memoryMb: 512, timeoutS: 300, reserved: production ? 100 : 10, ratePerSecond: 200, burst: 400 },
    worker: {
      memoryMb: 512,
      // A command may take ten minutes, and what is left over ends the stint.
      timeoutS: LAMBDA_S_MAX,
      reserved: production ? 100 : 5,
      // A message must stay hidden while its stint lasts, or every long one would be delivered twice.
      visibilityS: LAMBDA_S_MAX + 60,
      receivesMax: 8,
      // Nothing of AWS stops a loop between queue and worker (see docs/decisions/0027): this many in an hour is one.
      perHourMax: production ? 60_000 : 3_000,
    },
    burial: { memoryMb: 256, timeoutS: 60, reserved: 2, visibilityS: 120 },
    timer: { memoryMb: 256, timeoutS: 50, reserved: 2 },
    sandbox: { memoryMb: 2048, timeoutS: COMMAND_S_MAX + 120, reserved: production ? 200 : 10, diskMb: 10_240 },
    carrier: { memoryMb: 2048, timeoutS: COMMAND_S_MAX + 120, reserved: production ? 20 : 3, diskMb: 10_240 },
    logDays: production ? 90 : 7,
    archiveAfterDays: 30,
    ...(production ? {} : { expireAfterDays: 90 }),
  }
}

/** What an account must allow at once for this plan. */
export const concurrencyOf = ({ api, worker, burial, timer, sandbox, carrier }: Plan): number =>
  [api, worker, burial, timer, sandbox, carrier].reduce((sum, { reserved }) => sum + reserved, UNRESERVED)
