/** Whether commands can be held in on this machine: tests that need it say why they were left out. */
import { isolationHere } from '../../sandbox-runner/exec/isolation.ts'
import { commandLimits } from '../../sandbox-runner/exec/watch.ts'

const isolation = await isolationHere()
/** A machine that holds its commands in. */
export const HELD = { isolation, limits: commandLimits() }
/** Why nothing does. A machine of CI may forbid namespaces: that is no failure, and it is said. */
export const isolationMissing: string | undefined = isolation.kind === 'none' ? isolation.words : undefined
