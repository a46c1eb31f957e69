/** Other ways to keep the state of a folder, for comparison: each takes a snapshot, gives it back, and tells its size. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

export type Rival = { name: string; snapshot(): void; restore(to: string): void; bytes(): number }

const sh = (command: string, env: Record<string, string> = {}): string =>
  execFileSync('bash', ['-c', `set -e -o pipefail; ${command}`], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })

/** A second repository beside the tree: what is staged there is the snapshot. Loses what git does not keep. */
export function gitShadow(tree: string, folder: string): Rival {
  const dir = join(folder, 'shadow.git')
  sh(`git init -q --bare ${dir} && git -C ${dir} config core.bare false`)
  const env = { GIT_DIR: dir, GIT_WORK_TREE: tree, GIT_CONFIG_GLOBAL: '/dev/null' }
  const who = 'git -c user.name=bench -c user.email=bench@localhost -c gc.auto=0'
  return {
    name: 'git',
    snapshot: () =>
      void sh(`cd ${tree} && git add -A && ${who} commit-tree -m snapshot $(git write-tree) > ${dir}/last`, env),
    restore: (to) => void sh(`git read-tree HEAD 2>/dev/null || true; git checkout-index -a --prefix=${to}/`, env),
    bytes: () => sizeOf(join(dir, 'objects')),
  }
}

/** All of it, each time. */
export function tarZstd(tree: string, folder: string): Rival {
  const file = join(folder, 'tree.tar.zst')
  let total = 0
  return {
    name: 'tar+zstd',
    snapshot: () => {
      sh(`tar --format=posix -C ${tree} -cf - . | zstd -q -1 -f -o ${file}`)
      total += statSync(file).size
    },
    restore: (to) => void sh(`zstd -q -dc ${file} | tar -C ${to} -xpf -`),
    bytes: () => total,
  }
}

export function restic(tree: string, folder: string): Rival {
  const repository = join(folder, 'restic')
  const env = {
    RESTIC_REPOSITORY: repository,
    RESTIC_PASSWORD: 'bench',
    RESTIC_CACHE_DIR: join(folder, 'restic-cache'),
  }
  sh('restic init -q', env)
  return {
    name: 'restic',
    snapshot: () => void sh(`restic backup -q ${tree}`, env),
    restore: (to) => void sh(`restic restore -q latest --target ${to}`, env),
    bytes: () => sizeOf(repository),
  }
}

function sizeOf(folder: string): number {
  if (!existsSync(folder)) return 0
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
}
