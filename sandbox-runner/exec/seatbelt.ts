/**
 * The profile for Seatbelt (macOS), for `sandbox-exec`. Everything is denied but what is named: reading the system and
 * the tools on the search path, writing the workspace, its home and its temporary folder, signals among the command's
 * own processes. No network, not even loopback, where servers of the machine listen. Weaker than namespaces: the
 * processes of the machine can be listed, though neither read nor signalled. Written after Apple's profile language and not run by our tests, which have no Mac; the
 * probe in `isolation.ts` runs it on one before anything is claimed.
 */
import { realpathSync } from 'node:fs'
import type { Places } from './environment.ts'

const SYSTEM = [
  ...['/System', '/usr', '/bin', '/sbin', '/Library/Developer', '/Library/Apple', '/Library/Frameworks'],
  ...['/opt/homebrew', '/Applications/Xcode.app', '/private/var/db/dyld', '/private/var/select', '/private/etc/ssl'],
  ...['/private/var/db/timezone', '/dev'],
]
const FILES = ['/private/etc/passwd', '/private/etc/group', '/private/etc/hosts', '/private/etc/localtime']

export function seatbelt(program: string, folders: string[], argv: string[], { tree, home, temp }: Places): string[] {
  // The profile knows no links, and macOS keeps its temporary folders behind one.
  const real = [tree, home, temp].map((path) => realpathSync(path))
  return [program, '-p', profile(folders, real), ...argv]
}

export function profile(folders: string[], writable: string[]): string {
  const subpaths = (paths: string[]) => paths.map((path) => `(subpath ${quoted(path)})`).join(' ')
  const literals = (paths: string[]) => paths.map((path) => `(literal ${quoted(path)})`).join(' ')
  return [
    '(version 1)',
    '(deny default)',
    '(allow process-exec process-fork)',
    '(allow signal (target same-sandbox))',
    '(allow process-info* (target same-sandbox))',
    '(allow sysctl-read)',
    '(allow mach-lookup (global-name "com.apple.system.opendirectoryd.libinfo") (global-name "com.apple.trustd.agent"))',
    '(allow ipc-posix-sem ipc-posix-shm)',
    '(allow file-read-metadata)',
    '(allow file-read* (literal "/"))',
    `(allow file-read* ${subpaths([...SYSTEM, ...folders])} ${literals(FILES)})`,
    `(allow file-read* file-write* ${subpaths(writable)})`,
    `(allow file-write-data ${literals(['/dev/null', '/dev/zero', '/dev/tty'])})`,
    '',
  ].join('\n')
}

const quoted = (path: string): string => `"${path.replace(/[\\"]/g, '\\$&')}"`
