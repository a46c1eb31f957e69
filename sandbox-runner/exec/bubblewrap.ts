/**
 * The line for bubblewrap (Linux). A command gets a file system that is empty but for what is named here: the system's
 * programs, a few files of /etc that hold no secret, the tools on the search path, all to be read only; the workspace,
 * its home folder and a /tmp of its own to be written to. It has its own processes, its own loopback and no other
 * network, no capability, no terminal; when the runner goes, it goes.
 */
import { lstatSync, readdirSync, readlinkSync } from 'node:fs'
import { SHARED_MEMORY_BYTES_MAX } from '../limits.ts'
import type { Places } from './environment.ts'

export type Bubblewrap = {
  program: string
  /** Options that only some versions know. */
  more: string[]
  /** What else a command may read. */
  folders: string[]
}

/** The pipe on which bubblewrap tells the process that is first among the command's own. */
export const STATUS_PIPE = 3

const SYSTEM = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/nix', '/gnu']
/** Of /etc only this: it is also where machines keep keys, tokens of package managers and passwords. */
const ETC =
  /^(alternatives|bash\.bashrc|bash_completion\.d|ca-certificates|ca-certificates\.conf|crypto-policies|debian_version|fonts|gai\.conf|group|host\.conf|hostname|hosts|inputrc|java.*|ld\.so\..*|locale\.alias|localtime|login\.defs|lsb-release|magic(\.mime)?|mime\.types|networks|nsswitch\.conf|os-release|passwd|perl|profile|profile\.d|protocols|python[0-9.]*|resolv\.conf|services|shells|terminfo|timezone|xml|.*-release)$/
const ETC_PARTS = [
  '/etc/ssl/certs',
  '/etc/ssl/openssl.cnf',
  '/etc/pki/ca-trust',
  '/etc/pki/tls/certs',
  '/etc/pki/tls/cert.pem',
  '/etc/maven/m2.conf',
  '/etc/maven/logging',
]

export function bubblewrap(
  { program, more, folders }: Bubblewrap,
  argv: string[],
  { tree, home, temp }: Places,
  cwd: string,
): string[] {
  return [
    program,
    ...['--unshare-all', '--unshare-user', ...more, '--cap-drop', 'ALL', '--die-with-parent', '--new-session'],
    ...system(),
    ...folders.filter((folder) => !SYSTEM.some((top) => folder.startsWith(`${top}/`))).flatMap(readable),
    ...['--proc', '/proc', '--dev', '/dev'],
    ...['--size', String(SHARED_MEMORY_BYTES_MAX), '--tmpfs', '/dev/shm'],
    ...['--bind', temp, '/tmp', '--symlink', '/tmp', '/var/tmp', '--symlink', '/run', '/var/run', '--dir', '/run'],
    ...['--bind', home, home, '--bind', tree, tree, '--remount-ro', '/', '--remount-ro', '/dev'],
    ...['--json-status-fd', String(STATUS_PIPE), '--chdir', cwd, '--', ...argv],
  ]
}

const readable = (path: string): string[] => ['--ro-bind-try', path, path]

let known: string[] | undefined
/** Links at the top, as /bin on most systems, stay links. */
function system(): string[] {
  known ??= [
    ...SYSTEM.flatMap((path) => {
      const kind = lstatSync(path, { throwIfNoEntry: false })
      if (!kind) return []
      return kind.isSymbolicLink() ? ['--symlink', readlinkSync(path), path] : readable(path)
    }),
    ...readdirSync('/etc')
      .filter((name) => ETC.test(name))
      .flatMap((name) => readable(`/etc/${name}`)),
    ...ETC_PARTS.flatMap(readable),
  ]
  return known
}
