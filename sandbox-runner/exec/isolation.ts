/**
 * What holds commands in on this machine: found out once, by running a command held in, and told as it is. A machine
 * where the parts are missing, or are there and do not work, has no isolation, and its words say why.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PROBE_MS_MAX } from '../limits.ts'
import { bubblewrap } from './bubblewrap.ts'
import { machinePath, type Places, programNamed, toolFolders } from './environment.ts'
import { seatbelt } from './seatbelt.ts'

export type Isolation = {
  kind: 'none' | 'namespace' | 'seatbelt' | 'microvm'
  /** For people: what holds, and what does not; or why nothing does. */
  words: string
  /** The same program held in. `cwd` is a folder of the tree. */
  hold(argv: string[], places: Places, cwd: string): string[]
}

export const nothingHolds = (why: string): Isolation => ({ kind: 'none', words: why, hold: (argv) => argv })

let found: Promise<Isolation> | undefined
/** Never rejects; asked once in the life of a process. */
export function isolationHere(): Promise<Isolation> {
  found ??= find()
  return found
}

async function find(): Promise<Isolation> {
  if (process.platform === 'linux') return onLinux()
  if (process.platform === 'darwin') return onMac()
  return nothingHolds(`nothing is known that isolates commands on ${process.platform}`)
}

/** The second bars a command from making namespaces of its own; older bubblewraps and some kernels refuse it. */
const VARIANTS = [['--disable-userns'], []]

async function onLinux(): Promise<Isolation> {
  const program = programNamed('bwrap')
  if (program === undefined) return nothingHolds('bubblewrap is not installed (apt-get install bubblewrap)')
  const folders = toolFolders()
  let why = ''
  for (const more of VARIANTS) {
    const isolation: Isolation = {
      kind: 'namespace',
      words:
        'bubblewrap: a command sees the system, the tools on its path and its workspace, writes only there and to a /tmp of its own, and has no network',
      hold: (argv, places, cwd) => bubblewrap({ program, more, folders }, argv, places, cwd),
    }
    const failed = await trial(isolation)
    if (failed === undefined) return isolation
    why ||= failed
  }
  return nothingHolds(`bubblewrap is installed but does not work here (${why})`)
}

async function onMac(): Promise<Isolation> {
  const program = '/usr/bin/sandbox-exec'
  if (!existsSync(program)) return nothingHolds('sandbox-exec is not there')
  const folders = toolFolders()
  const isolation: Isolation = {
    kind: 'seatbelt',
    words:
      'Seatbelt: a command reads the system, the tools on its path and its workspace, writes only to the workspace and its own temporary folder, and has no network, its own loopback included; processes of the machine can be listed',
    hold: (argv, places) => seatbelt(program, folders, argv, places),
  }
  const failed = await trial(isolation)
  return failed === undefined ? isolation : nothingHolds(`sandbox-exec does not work here (${failed})`)
}

/** Runs a command held in that looks whether it is; answers why it is not. */
function trial(isolation: Isolation): Promise<string | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'stint-probe-'))
  const places: Places = { tree: join(folder, 'tree'), home: join(folder, 'home'), temp: join(folder, 'tmp') }
  for (const place of Object.values(places)) mkdirSync(place)
  const outside = join(folder, 'outside')
  const script = `touch here && { touch '${outside}' 2>/dev/null; true; }`
  const [program = '', ...args] = isolation.hold(['bash', '-c', script], places, places.tree)
  return new Promise((resolve) => {
    const env = { PATH: machinePath(process.env.PATH ?? '') }
    const child = spawn(program, args, { env, stdio: ['ignore', 'ignore', 'pipe', 'pipe'], timeout: PROBE_MS_MAX })
    let said = ''
    child.stderr?.on('data', (part: Buffer) => (said += part))
    child.once('error', ({ message }) => (said += message))
    child.once('close', (code) => {
      const worked = code === 0 && existsSync(join(places.tree, 'here'))
      const left = existsSync(outside)
      rmSync(folder, { recursive: true, force: true })
      if (left) return resolve('a command wrote outside its workspace')
      resolve(worked ? undefined : said.trim().split('\n')[0]?.slice(0, 200) || 'it ended at once')
    })
  })
}
