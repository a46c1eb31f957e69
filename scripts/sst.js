// `node scripts/sst.js …`: SST with the settings that it needs here. `install` fetches the sources of its components
// (.sst/, 320 MB, by npm), without an account and without Pulumi's program, and does nothing where they are there.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const { version } = JSON.parse(readFileSync(join(root, 'node_modules/sst/package.json'), 'utf8'))
const mark = join(root, '.sst/installed-version')
const args = process.argv.slice(2)
const installs = args[0] === 'install'
const there = existsSync(mark) && readFileSync(mark, 'utf8') === version
if (installs && there) process.exit(0)

const env = { ...process.env, SST_TELEMETRY_DISABLED: '1', SST_NO_BUN: '1' }
// Without these `install` wants Pulumi from elsewhere, and asks the machine's own metadata address for an account.
if (installs) Object.assign(env, { SST_SKIP_DEPENDENCY_CHECK: '1', AWS_EC2_METADATA_DISABLED: 'true' })
const given = installs ? ['install', '--stage', 'ci'] : args
const { status, stdout, stderr } = spawnSync(join(root, 'node_modules/.bin/sst'), given, {
  cwd: root,
  env,
  stdio: installs ? 'pipe' : 'inherit',
})
if (installs && status === 0) writeFileSync(mark, version)
else if (installs) process.stderr.write(`SST was not installed:\n${stdout ?? ''}${stderr ?? ''}\n`)
process.exit(status ?? 1)
