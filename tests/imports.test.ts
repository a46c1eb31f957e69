import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import { ROOT } from './support/world.ts'

/** Who may import whom: from the first folder that matches, to folders, packages and `node:` (any of the platform). */
const RULES: [from: RegExp, may: RegExp[]][] = [
  [/^functions\/core\/policy\//, [/^functions\/core\//, /^unbash$/]],
  [/^functions\/core\//, [/^functions\/core\//, /^zod$/]],
  [/^functions\/(env|version)\.ts$/, [/^functions\/core\//, /^zod$/, /^node:/, /^package\.json$/]],
  [/^functions\/telemetry\//, [/^functions\/(core|telemetry)\//, /^zod$/, /^@opentelemetry\//]],
  [/^functions\/ports\.ts$/, [/^functions\/core\//]],
  [
    /^functions\/(tools|model|memory)\//,
    [
      /^functions\/(core|tools|model|memory)\//,
      /^functions\/ports\.ts$/,
      /^sandbox-runner\/catalogue\.ts$/,
      /^zod$/,
      /^node:crypto$/,
    ],
  ],
  [
    /^functions\/engine\//,
    [/^functions\/(core|engine|tools|model|memory)\//, /^functions\/ports\.ts$/, /^node:crypto$/],
  ],
  [
    /^functions\/(routes|integrations)\//,
    [
      /^functions\/(core|engine|memory|routes|integrations|tools|model)\//,
      /^functions\/ports\.ts$/,
      /^hono/,
      /^@hono\/zod-openapi$/,
      /^node:(crypto|path)$/,
    ],
  ],
  [/^functions\/scripted\//, [/^functions\/scripted\//, /^node:/]],
  // The built-in embedding is the one that code search ranks with: pure, and of no process.
  [
    /^functions\/adapters\/lexical-embedder\.ts$/,
    [/^functions\/ports\.ts$/, /^sandbox-runner\/code\/(embed|tokens)\.ts$/, /^node:crypto$/],
  ],
  [
    /^functions\/adapters\//,
    [
      /^functions\/(core|adapters|scripted)\//,
      /^functions\/ports\.ts$/,
      /^sandbox-runner\/(protocol|token)\.ts$/,
      /^node:/,
      /^(groq-sdk|ioredis|bullmq|pg|@neondatabase\/serverless|@octokit\/request|aws4fetch)/,
      /^zod$/,
    ],
  ],
  [
    /^functions\/wire\.ts$/,
    [/^functions\/(core|adapters|memory|model|telemetry)\//, /^functions\/(env|ports)\.ts$/, /^node:/],
  ],
  [/^functions\/(worker|cron)\.ts$/, [/^functions\/(core\/|backend\.ts|ports\.ts)/, /^aws-lambda$/]],
  // The types of what Lambda brings.
  [/^functions\/api\.ts$/, [/^functions\//, /^hono\//, /^aws-lambda$/]],
  [/^functions\/[a-z]+\.ts$/, [/^functions\//, /^hono/, /^@hono\//, /^node:/]],
  [/^sandbox-runner\/code\//, [/^sandbox-runner\/code\//]],
  [/^sandbox-runner\/tools\//, [/^sandbox-runner\/(tools|text)\//, /^sandbox-runner\/(define|limits)\.ts$/, /^zod$/]],
  [
    /^sandbox-runner\/text\//,
    [/^sandbox-runner\/text\//, /^sandbox-runner\/(define|limits)\.ts$/, /^(picomatch|diff)$/],
  ],
  [/^sandbox-runner\/(catalogue|define|limits|protocol)\.ts$/, [/^sandbox-runner\/(tools\/|define\.ts$)/, /^zod$/]],
  [/^sandbox-runner\//, [/^sandbox-runner\//, /^node:/, /^(zod|diff|picomatch)$/]],
  [/^stacks\//, [/^stacks\//, /^node:fs$/]],
  [
    /^cli\//,
    [
      /^cli\//,
      /^functions\/(server|env|version)\.ts$/,
      /^functions\/telemetry\//,
      /^functions\/routes\/views\.ts$/,
      /^functions\/core\/(policy\/command|rules|types)\.ts$/,
      /^sandbox-runner\/server\.ts$/,
      /^node:/,
      /^zod$/,
    ],
  ],
]

const FOLDERS = ['functions', 'sandbox-runner', 'cli', 'stacks']
const files = FOLDERS.flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true }).map((name) => join(folder, String(name))),
).filter((name) => name.endsWith('.ts'))

/** What a file imports, by value or as a type, as paths from the root or package names. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(ROOT, file), 'utf8')
  return [
    ...text.matchAll(
      /^\s*(?:import|export)\b[^'"\n;]*?(?:\{[^}]*\}[^'"\n;]*?)?from\s+'([^']+)'|\bimport\('([^']+)'\)|^import '([^']+)'/gm,
    ),
  ].map((match) => {
    const target = match[1] ?? match[2] ?? match[3] ?? ''
    return target.startsWith('.') ? relative(ROOT, join(ROOT, dirname(file), target)) : target
  })
}

test('every import goes where the house allows it', () => {
  const wrong = files.flatMap((file) => {
    const [, may] = RULES.find(([from]) => from.test(file)) ?? []
    assert.ok(may, `${file} is in no room of the house: add a rule for it`)
    return importsOf(file).flatMap((target) =>
      may.some((rule) => rule.test(target)) ? [] : [`${file} imports ${target}`],
    )
  })
  assert.deepEqual(wrong, [])
})

test('no imports in a circle', () => {
  const graph = new Map(files.map((file) => [file, importsOf(file).filter((target) => files.includes(target))]))
  const done = new Set<string>()
  const visit = (file: string, path: string[]): void => {
    assert.ok(!path.includes(file), `in a circle: ${[...path.slice(path.indexOf(file)), file].join(' -> ')}`)
    if (done.has(file)) return
    for (const target of graph.get(file) ?? []) visit(target, [...path, file])
    done.add(file)
  }
  for (const file of files) visit(file, [])
})

test('time, chance and the environment come in by their one door', () => {
  const pure = files.filter((file) => /^functions\/(core|engine|tools|model|memory|routes)\//.test(file))
  const wrong = pure.flatMap((file) =>
    /\bDate\.now\(|\bnew Date\(\)|Math\.random|setTimeout\(|setInterval\(|randomUUID|randomBytes|\bfetch\(/.test(
      readFileSync(join(ROOT, file), 'utf8').replace(/^\s*(\/?\*|\/\/).*$/gm, ''),
    )
      ? [file]
      : [],
  )
  assert.deepEqual(wrong, [])
  const readers = files.filter(
    (file) =>
      file.startsWith('functions/') &&
      /process\.env/.test(readFileSync(join(ROOT, file), 'utf8').replace(/^\s*(\/?\*|\/\/).*$/gm, '')),
  )
  assert.deepEqual(readers, ['functions/env.ts'])
})

test('every package that is imported is in package.json', () => {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
    devDependencies: Record<string, string>
  }
  const builtin = new Set(builtinModules)
  const missing = files
    .flatMap(importsOf)
    .filter((target) => !target.startsWith('node:') && !files.includes(target) && target !== 'package.json')
    .map((target) =>
      target
        .split('/')
        .slice(0, target.startsWith('@') ? 2 : 1)
        .join('/'),
    )
    .filter((name) => !builtin.has(name) && !(name in manifest.dependencies))
    // Types alone, which are erased.
    .filter((name) => !(`@types/${name}` in manifest.devDependencies))
  assert.deepEqual([...new Set(missing)], [])
})
