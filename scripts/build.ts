/**
 * `npm run build`: each function as one folder under dist/, ready to be zipped or copied. The same sources give the same
 * bytes. Source maps are kept apart (dist/maps/), so that no function carries them; what other people wrote is named with
 * its licence in each folder.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build, type Metafile, type Plugin } from 'esbuild'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

export type Entry = 'api' | 'worker' | 'cron' | 'sandbox-runner'
/** By name of the file in the folder. The threads of the runner are files of their own. */
export const ENTRIES: Record<Entry, Record<string, string>> = {
  api: { index: 'functions/api.ts' },
  worker: { index: 'functions/worker.ts' },
  cron: { index: 'functions/cron.ts' },
  'sandbox-runner': {
    server: 'sandbox-runner/server.ts',
    carrier: 'sandbox-runner/carrier.ts',
    http: 'sandbox-runner/http.ts',
    lambda: 'sandbox-runner/lambda.ts',
    'search-worker': 'sandbox-runner/search/worker.ts',
    'indexing-worker': 'sandbox-runner/indexing/worker.ts',
    'restoring-worker': 'sandbox-runner/restoring/worker.ts',
  },
}
/** JavaScript of an entry, all its files together. */
export const BYTES_MAX: Record<Entry, number> = {
  api: 1_100_000,
  worker: 900_000,
  cron: 600_000,
  'sandbox-runner': 3_000_000,
}

/** A function on Lambda is no server: these need a connection that stays. Whoever names them there is told so. */
const SERVERS_ONLY: Record<string, { names: string[]; instead: string }> = {
  bullmq: { names: ['Queue', 'Worker', 'UnrecoverableError', 'DelayedError'], instead: 'set SQS_QUEUE_URL' },
  ioredis: { names: ['Redis'], instead: 'REDIS_URL needs a server; set UPSTASH_REDIS_REST_URL' },
  pg: { names: ['Pool', 'DatabaseError'], instead: 'DATABASE_URL must name a host of Neon, which is asked over HTTP' },
}
/** What an entry never does, and so need not carry. Asked for all the same it throws. */
const NEVER: Partial<Record<Entry, RegExp>> = {
  // It looks for what is due and removes what is old; it begins no run and advances none.
  cron: /functions\/(engine\/(admit|advance|perform|fork)|adapters\/(groq|github))\.ts$/,
  // It takes requests; the worker performs them.
  api: /functions\/engine\/perform\.ts$/,
}
/** Not JavaScript: the image brings it along. */
const EXTERNAL = ['@vscode/tree-sitter-wasm']

/** A module whose every name throws when it is used. */
const throwing = (names: string[], why: string): string => `
  const no = function () { throw new Error(${JSON.stringify(why)}) }
  export { ${names.map((name) => `no as ${name}`).join(', ')} }`

const absent = (entry: Entry): Plugin => ({
  name: 'absent',
  setup(b) {
    b.onResolve({ filter: new RegExp(`^(${Object.keys(SERVERS_ONLY).join('|')})$`) }, ({ path }) => ({
      path,
      namespace: 'absent',
    }))
    b.onLoad({ filter: /.*/, namespace: 'absent' }, ({ path }) => {
      const { names = [], instead } = SERVERS_ONLY[path] ?? {}
      return { contents: throwing(names, `${path} is not part of this function: ${instead}`) }
    })
    b.onLoad({ filter: NEVER[entry] ?? /^never$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8')
      const names = [...text.matchAll(/^export (?:async )?(?:function\*?|const|class) (\w+)/gm)].map(
        ([, name]) => name ?? '',
      )
      return { contents: throwing(names, `${path.slice(ROOT.length)} is not part of ${entry}`) }
    })
  },
})

/** Of zod's forty languages one is used: 250 kB. */
const english: Plugin = {
  name: 'english',
  setup: (b) =>
    b.onLoad({ filter: /zod\/v4\/locales\/index\.(js|mjs)$/ }, () => ({
      contents: 'export { default as en } from "./en.js"',
    })),
}

/**
 * Our own sources with two changes: a thread's file lies beside the code that starts it; and zod is imported so that what
 * nobody uses of it falls away (90 kB).
 */
const ours: Plugin = {
  name: 'ours',
  setup: (b) =>
    b.onLoad({ filter: /\/(functions|sandbox-runner)\/.*\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8')
        .replace("'./worker.ts'", `'./${basename(join(path, '..'))}-worker.mjs'`)
        .replace("import { z } from 'zod'", "import * as z from 'zod'"),
      loader: 'ts',
    })),
}

export type Built = { entry: Entry; folder: string; bytes: number; packages: string[] }

export async function buildEntry(entry: Entry, dist: string): Promise<Built> {
  const folder = join(dist, entry)
  const maps = join(dist, 'maps', entry)
  for (const old of [folder, maps]) rmSync(old, { recursive: true, force: true })
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: ENTRIES[entry],
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    minify: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    mainFields: ['module', 'main'],
    external: EXTERNAL,
    sourcemap: 'external',
    metafile: true,
    legalComments: 'none',
    logLevel: 'error',
    plugins: [absent(entry), english, ours],
    // What is CommonJS inside asks for the platform's modules by `require`, which a module has not.
    // The name is longer than any that is made by shortening names.
    banner: {
      js: 'import{createRequire as $stintRequire}from"node:module";const require=$stintRequire(import.meta.url);',
    },
  })
  mkdirSync(maps, { recursive: true })
  for (const name of readdirSync(folder)) if (name.endsWith('.map')) renameSync(join(folder, name), join(maps, name))
  const packages = packagesOf(metafile)
  writeFileSync(join(folder, 'LICENSES.txt'), licences(packages))
  const scripts = Object.entries(metafile.outputs).filter(([path]) => path.endsWith('.mjs'))
  return { entry, folder, bytes: scripts.reduce((sum, [, { bytes }]) => sum + bytes, 0), packages }
}

function packagesOf({ inputs }: Metafile): string[] {
  const names = Object.keys(inputs).flatMap((path) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[0] ?? [])
  return [...new Set(names)].sort()
}

/** Ours, then everybody else's, by name and version. */
function licences(packages: string[]): string {
  const parts = packages.map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')) as {
      name: string
      version: string
      license?: string
    }
    const file = readdirSync(join(ROOT, folder)).find((one) => /^(licen[cs]e|copying)/i.test(one))
    const text = file ? readFileSync(join(ROOT, folder, file), 'utf8').trim() : `Licence: ${license ?? 'not stated'}`
    return `${name} ${version} (${license ?? 'see below'})\n\n${text}`
  })
  const own = readFileSync(join(ROOT, 'LICENSE'), 'utf8').trim()
  return `${[`Stint (Apache-2.0)\n\n${own}`, ...parts].join(`\n\n${'-'.repeat(78)}\n\n`)}\n`
}

export async function main(dist = join(ROOT, 'dist')): Promise<void> {
  for (const entry of Object.keys(ENTRIES) as Entry[]) {
    const { bytes, packages } = await buildEntry(entry, dist)
    const [kB, max] = [bytes, BYTES_MAX[entry]].map((size) => Math.ceil(size / 1000))
    process.stdout.write(`dist/${entry}  ${kB} kB of ${max}, ${packages.length} packages\n`)
    if (bytes > BYTES_MAX[entry]) throw new Error(`${entry} has ${kB} kB; it may have ${max}`)
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await main()
