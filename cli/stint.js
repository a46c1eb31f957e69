#!/usr/bin/env node
// The door: finds a Node that can run Stint. Plain JavaScript, so that an older Node gets a clear word and no stack.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import * as loader from 'node:module'
import { fileURLToPath } from 'node:url'

const NEEDED = 24

if (Number(process.versions.node.split('.')[0]) >= NEEDED) {
  // Compiled code is kept beside the packages it was made from; `npm ci` fills it.
  process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('../node_modules/.cache/stint', import.meta.url))
  loader.enableCompileCache?.(process.env.NODE_COMPILE_CACHE)
  const { main } = await import('./main.ts')
  await main(process.argv.slice(2))
} else {
  const bundled = fileURLToPath(
    new URL(`../node_modules/node-${process.platform}-${process.arch}/bin/node`, import.meta.url),
  )
  if (existsSync(bundled)) {
    const child = spawn(bundled, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' })
    // The terminal sends Ctrl-C to both; only the child answers it.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
      process.on(signal, () => signal !== 'SIGINT' && child.kill(signal))
    child.once('exit', (code, signal) => process.exit(signal ? 130 : (code ?? 1)))
  } else {
    process.stderr.write(
      `stint needs Node ${NEEDED} or newer; this is ${process.version}. On Linux "npm ci" brings it along; elsewhere install it from nodejs.org.\n`,
    )
    // An install is no failure: `npm ci` warms up through this door, and the word above is enough there.
    process.exitCode = process.argv[2] === 'warm' ? 0 : 1
  }
}
