/** `outline`, `find_symbol` and `diagnostics` in nine languages, and what the model hears of what its edits broke. */
import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Defined, Problem } from '../sandbox-runner/define.ts'
import { readSyntax } from '../sandbox-runner/syntax/read.ts'
import { detectLinters, problemsIn } from '../sandbox-runner/text/linting.ts'
import { box } from './support/sandbox.ts'

const SAMPLES: Record<string, [text: string, defined: string]> = {
  'a.ts': [
    "import x from 'x'\n@deco()\nexport class Box<T> extends Base {\n  size = 0\n  static of(\n    n: number,\n  ): Box {\n    function inner() {}\n  }\n  on = () => 1\n}\nexport interface Face { look(): void }\nexport type Id = string\nenum Kind { A }\nnamespace N { export function deep() {} }\nexport const f = async (a: number) => a\nconst LIMIT = 3\nfunction last() {\n  const hidden = 1\n}\n",
    'class Box, field size in Box, method of in Box, method on in Box, interface Face, method look in Face, type Id, enum Kind, namespace N, function deep in N, function f, constant LIMIT, function last',
  ],
  'a.tsx': ['export const App = () => <div>{1}</div>\n', 'function App'],
  'a.js': [
    "var http = require('http')\nexports.go = function go(a) {}\nThing.prototype.stop = () => 1\nmodule.exports = class Foo { bar() {} }\nfunction* gen() {}\n",
    'function go, function stop, function gen',
  ],
  'a.py': [
    'X = 1\n@cache\ndef f(a: int = 1) -> int:\n    y = 2\n    return y\n\nclass A(B):\n    Z = 1\n    async def m(self):\n        pass\nif X:\n    def g(): pass\n',
    'constant X, function f, class A, method m in A, function g',
  ],
  'a.go': [
    'package a\n\nconst (\n\tOne = 1\n)\nvar Two int\ntype Three struct{ A int }\nfunc Four[T any](a T) error { return nil }\nfunc (t *Three) Five() {}\n',
    'constant One, variable Two, type Three, function Four, method Five',
  ],
  'a.rs': [
    "pub struct S<T> { a: T }\nimpl<'a, T> Trait for S<T> {\n    const K: u8 = 1;\n    pub fn go(&self) -> u8 { 1 }\n}\ntrait Trait { fn go(&self) -> u8; }\nenum E { A }\nmod inner { fn deep() {} }\nmacro_rules! m { () => {} }\nstatic G: u8 = 1;\n",
    'struct S, impl S, constant K in S, method go in S, trait Trait, method go in Trait, enum E, module inner, function deep in inner, macro m, constant G',
  ],
  'A.java': [
    'package a;\npublic class A<T> extends B {\n  @Override public int go(int a) throws E { return 1; }\n  A() {}\n  enum K { X }\n  record R(int a) {}\n}\ninterface F { void f(); }\n',
    'class A, method go in A, constructor A in A, enum K in A, record R in A, interface F, method f in F',
  ],
  'a.c': [
    '#define MAX 1\n#define TWICE(x) (x)\ntypedef struct node { int a; } node_t;\nstruct pair { int class; };\nstatic int *go(int new) {\n  return 0;\n}\nint proto(void);\nint variable = 1;\n',
    'macro MAX, macro TWICE, type node_t, struct pair, function go, function proto',
  ],
  'a.cpp': [
    'namespace n {\nclass Box : public Base {\n public:\n  Box();\n  int size() const { return 1; }\n  int count;\n};\ntemplate <class T> T same(T a) { return a; }\n}\nvoid n::Box::go() {}\nusing Id = int;\nenum class Kind { A };\n',
    'namespace n, class Box in n, method Box in Box, method size in Box, function same in n, function go, type Id, enum Kind',
  ],
  'a.rb': [
    'module A\n  class B < C\n    X = 1\n    # says\n    def self.make(a)\n    end\n    def <=>(b) = 0\n  end\nend\n',
    'module A, class B in A, constant X in B, method make in B, method <=> in B',
  ],
}

for (const [path, [text, wanted]] of Object.entries(SAMPLES))
  test(`the definitions of ${path}, with its syntax found in order`, async () => {
    const { definitions, problems } = await readSyntax(path, text)
    const row = ({ kind, name, inside }: Defined) => `${kind} ${name}${inside ? ` in ${inside}` : ''}`
    assert.equal(definitions.map(row).join(', '), wanted)
    assert.deepEqual(problems, [])
    const lines = text.split('\n')
    for (const { name, line, end } of definitions) {
      assert.ok(lines[line - 1]?.includes(name), `${name} stands on line ${line}`)
      assert.ok(end >= line && end <= lines.length)
    }
    const cut = `${text}\n${path.endsWith('.py') ? 'def (:\n' : path.endsWith('.rb') ? 'def (\n' : 'int f( { ] ;\n'}`
    assert.ok(((await readSyntax(path, cut)).problems ?? []).length > 0, 'what is broken is noticed')
  })

test('signatures are on one line and leave out bodies, decorators and comments', async () => {
  const said = async (path: string) =>
    Object.fromEntries(
      (await readSyntax(path, SAMPLES[path]?.[0] ?? '')).definitions.map((one) => [one.name, one.signature]),
    )
  const script = await said('a.ts')
  assert.equal(script.Box, 'export class Box<T> extends Base')
  assert.equal(script.of, 'static of( n: number, ): Box')
  assert.equal(script.f, 'export const f = async (a: number)')
  assert.equal((await said('a.py')).f, 'def f(a: int = 1) -> int')
  assert.equal((await said('A.java')).go, 'public int go(int a) throws E')
  assert.equal((await said('a.rb')).make, 'def self.make(a)')
  assert.equal((await said('a.c')).go, 'static int *go(int new)')
})

test('what no grammar reads is told line by line, and nothing is said of its syntax', async () => {
  const php = await readSyntax('a.php', '<?php\nclass A {\n  public function go() {\n  }\n}\nfunction b() {}\n')
  assert.deepEqual(
    php.definitions.map(({ name, line, end, depth }) => [name, line, end, depth]),
    [
      ['A', 2, 5, 0],
      ['go', 3, 5, 1],
      ['b', 6, 7, 0],
    ],
  )
  assert.equal(php.problems, undefined)
  const huge = await readSyntax('a.ts', `function first() {}\n${'// long\n'.repeat(200_000)}`)
  assert.deepEqual([huge.definitions[0]?.name, huge.problems], ['first', undefined])
  assert.deepEqual((await readSyntax('a.unknown', 'x')).definitions, [])
  assert.deepEqual((await readSyntax('a.ts', '')).definitions, [])
  const deep = await readSyntax('a.js', `${'['.repeat(20_000)}${'{'.repeat(20_000)}`)
  assert.ok(Array.isArray(deep.definitions), 'what nests without end is survived')
})

test('outline shows a file as its definitions, and says what it cannot', async (t) => {
  const b = await box(t, {
    'src/box.ts': SAMPLES['a.ts']?.[0] ?? '',
    'bad.py': 'def f(:\n  pass\n',
    'plain.txt': 'hello\n',
    'pic.png': Buffer.from([137, 80, 0, 1]),
    'long.ts': Array.from({ length: 400 }, (_, at) => `class C${at} {\n  m() {}\n}\n`).join(''),
  })
  const { output, data } = await b.use('outline', { path: 'src/box.ts' })
  assert.match(
    output,
    /^src\/box\.ts: 20 lines of typescript\n3-11 class export class Box<T> extends Base\n {2}4 field size = 0\n {2}5-9 method static of\(/,
  )
  assert.equal((data as { definitions: Defined[] }).definitions.length, 13)
  assert.match(
    (await b.use('outline', { path: 'bad.py' })).output,
    /1 syntax errors; the first on line 1|syntax errors/,
  )
  assert.match((await b.use('outline', { path: 'plain.txt' })).output, /Nothing is defined here/)
  assert.equal((await b.use('outline', { path: 'pic.png' })).error?.code, 'not_text')
  assert.equal((await b.use('outline', { path: 'gone.ts' })).error?.code, 'not_found')
  assert.equal((await b.use('outline', { path: '../x' })).error?.code, 'path_outside_workspace')
  const long = await b.use('outline', { path: 'long.ts' })
  assert.equal(long.truncated, true)
  assert.match(long.output, /\[500 more inside of these or further down/)
})

test('find_symbol names where it is defined and used, by kind, by path, and near what was meant', async (t) => {
  const b = await box(t, {
    'src/config.ts':
      'export class Config {\n  readAll(): string {\n    return parseConfig("")\n  }\n}\nexport function parseConfig(text: string): string {\n  return text\n}\n',
    'src/main.ts': 'import { parseConfig } from "./config"\nparseConfig("x")\n',
    'test/config.test.ts': 'function parseConfig() {}\n',
    'lib/config.py': 'class Config:\n    def parse_config(self):\n        pass\n',
  })
  const found = async (input: Record<string, unknown>) => (await b.use('find_symbol', input)).output
  const both = await found({ name: 'parseConfig' })
  assert.match(
    both,
    /^src\/config\.ts:6-8 function: export function parseConfig\(text: string\): string\ntest\/config\.test\.ts:1 function/,
  )
  assert.match(both, /Used in:\n {2}src\/config\.ts:3: return parseConfig\(""\)\n {2}src\/main\.ts:1: /)
  assert.match(
    await found({ name: 'Config', path: 'lib' }),
    /^lib\/config\.py:1-3 class: class Config\nUsed nowhere else|^lib\/config\.py:1-3 class: class Config\nUsed in/,
  )
  assert.match(await found({ name: 'Config', kind: 'class' }), /^(?:lib|src)\/config/)
  assert.match(
    await found({ name: 'Config.readAll', kind: 'method' }),
    /^src\/config\.ts:2-4 method in Config: readAll\(\): string/,
  )
  assert.match(await found({ name: 'PARSECONFIG' }), /^Nothing is called PARSECONFIG; these are near it:\n/)
  assert.match(await found({ name: 'noSuchThing' }), /^Nothing here defines noSuchThing/)
  assert.equal((await b.use('find_symbol', { name: 'Config', path: '../x' })).error?.code, 'path_outside_workspace')
  await b.use('write_file', { path: 'src/fresh.ts', content: 'export const freshlyMade = () => 1\n' })
  assert.match(await found({ name: 'freshlyMade' }), /^src\/fresh\.ts:1 function/, 'what the run itself wrote is found')
})

test('after an edit the model gets the new problems of that file only', async (t) => {
  const b = await box(t, {
    'a.ts': 'function f() {\n  return 1\n}\n',
    'old.py': 'def f(:\n  pass\n\nx = 1\n',
    'note.md': '# (\n',
  })
  const edit = (path: string, oldText: string, newText: string) => b.use('edit_file', { path, oldText, newText })
  const broken = await edit('a.ts', 'return 1\n}', 'return (1\n}')
  assert.match(broken.output, /^Edited a\.ts at line 2\.\nNew problems in a\.ts:\n {2}a\.ts:\d+:\d+: syntax error/)
  const { newProblems } = broken.data as { newProblems: { path: string; problems: Problem[] }[] }
  assert.equal(newProblems[0]?.path, 'a.ts')
  assert.equal(
    (await edit('a.ts', 'function f()', 'function g()')).output,
    'Edited a.ts at line 1.',
    'old problems are not told again',
  )
  assert.equal((await edit('a.ts', '(1', '1')).output, 'Edited a.ts at line 2.')
  assert.equal((await edit('old.py', 'x = 1', 'x = 2')).output, 'Edited old.py at line 4.', 'nor what others left')
  assert.match(
    (await b.use('write_file', { path: 'n.go', content: 'package n\nfunc f( {\n' })).output,
    /New problems in n\.go/,
  )
  assert.doesNotMatch((await b.use('write_file', { path: 'note.md', content: '# ((\n' })).output, /problems/)
})

test('diagnostics tells syntax errors, and what the linters that are set up here say', async (t) => {
  const b = await box(t, {
    'good.ts': 'export const a = 1\n',
    'bad.py': 'def f(:\n  pass\n',
    '.flake8': '',
    'setup.cfg': '',
  })
  assert.match((await b.use('diagnostics', { paths: ['good.ts'] })).output, /^No problems \(1 file by syntax\)\.$/)
  const missing = await b.use('diagnostics', { paths: ['bad.py'] })
  assert.match(missing.output, /^1 problem \(1 file by syntax.*\):\nbad\.py:1:\d+: syntax error.* \(syntax\)/)
  assert.equal((await b.use('diagnostics', { paths: ['gone.py'] })).error?.code, 'not_found')
  await b.use('write_file', { path: 'new.go', content: 'package n\nfunc f( {\n' })
  assert.match((await b.use('diagnostics', {})).output, /1 changed file[\s\S]*new\.go:2:\d+: syntax error/)
})

test('a linter of the repo is run, and only the problems of the files that were asked for are told', async (t) => {
  const b = await box(t, { 'tsconfig.json': '{}', 'a.ts': 'let a: number = ""\n', 'b.ts': 'let b: number = ""\n' })
  const script =
    '#!/bin/sh\necho "a.ts(1,5): error TS2322: Type \'string\' is not assignable."\necho "b.ts(1,5): error TS2322: No."\nexit 2\n'
  await b.run(`mkdir -p node_modules/.bin && cat > node_modules/.bin/tsc <<'E'\n${script}E`)
  chmodSync(join(b.tree, 'node_modules/.bin/tsc'), 0o755)
  const { output, data } = await b.use('diagnostics', { paths: ['a.ts'] })
  assert.match(
    output,
    /^1 problem \(1 file by syntax; tsc\):\na\.ts:1:5: TS2322: Type 'string' is not assignable\. \(tsc\)$/,
  )
  assert.deepEqual((data as { ran: string[] }).ran, ['tsc'])
  assert.match((await b.use('diagnostics', {})).output, /^2 problems/)
})

test('which linters a repo is set up for, and how their output is read', () => {
  const names = (files: Record<string, string>) =>
    detectLinters(
      (path) => path in files,
      (path) => files[path],
    ).map(({ name }) => name)
  assert.deepEqual(names({}), [])
  assert.deepEqual(names({ 'tsconfig.json': '', 'biome.json': '', 'eslint.config.js': '' }), ['tsc', 'biome', 'eslint'])
  assert.deepEqual(names({ 'pyproject.toml': '[tool.ruff]\n[tool.mypy]\n' }), ['ruff', 'mypy'])
  assert.deepEqual(names({ 'go.mod': '', 'Cargo.toml': '', '.rubocop.yml': '' }), ['go vet', 'cargo check', 'rubocop'])
  const [lint] = detectLinters(
    (path) => path === '.flake8',
    () => '',
  )
  assert.equal(lint?.line(["a b.py';rm"]), "flake8 'a b.py'\\'';rm'")
  const rows = (output: string) =>
    problemsIn(output, 'x').map(({ path, line, column, text }) => `${path}:${line}:${column}:${text}`)
  assert.deepEqual(rows('src/a.ts(3,7): error TS1: No.\n'), ['src/a.ts:3:7:TS1: No.'])
  assert.deepEqual(rows('/w/1/tree/a.rb:3:7: C: Style/X: No.\n'), ['a.rb:3:7:C: Style/X: No.'])
  assert.deepEqual(rows('a.py:3:7: F401 unused\na.py:4: error: No\na.py:4: note: see\n'), [
    'a.py:3:7:F401 unused',
    'a.py:4:1:error: No',
  ])
  assert.deepEqual(rows('# pkg\nvet: ./a.go:3:7: undefined: x\n'), ['a.go:3:7:undefined: x'])
  assert.deepEqual(rows('/w/tree/src/a.js\n  3:7  error  No  rule\n'), ['src/a.js:3:7:No rule'])
  assert.deepEqual(rows('::error title=lint/x,file=a.ts,line=3,endLine=4,col=7,endColumn=9::No\n'), ['a.ts:3:7:No'])
  assert.deepEqual(rows(`${'x'.repeat(3000)}:1:1: y\nno place here\n`), [])
})
