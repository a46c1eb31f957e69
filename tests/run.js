// `npm test`: every test file, on a Node that can run them, with one line per test that was left out and why.
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
if (Number(process.versions.node.split('.')[0]) < 24) {
  process.stderr.write(
    `the tests need Node 24 or newer; this is ${process.version}. Run them with "npm test", which brings it along on Linux.\n`,
  )
  process.exit(1)
}
const wanted = process.argv.slice(2)
const files = readdirSync(here, { recursive: true })
  .map(String)
  .filter((name) => name.endsWith('.test.ts') && (wanted.length === 0 || wanted.some((part) => name.includes(part))))
  .sort()
const args = [
  '--test',
  `--test-concurrency=${Math.max(2, cpus().length)}`,
  `--test-reporter=${here}/support/reporter.js`,
  '--test-timeout=240000',
  ...files.map((name) => here + name),
]
const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], { stdio: 'inherit' })
child.once('exit', (code) => process.exit(code ?? 1))
