import assert from 'node:assert/strict'
import { test } from 'node:test'
import { structuredPatch } from 'diff'
import { ToolFailure } from '../sandbox-runner/define.ts'
import { applyHunks, type FilePatch, parsePatch } from '../sandbox-runner/text/patch.ts'
import { random } from './support/sandbox.ts'

const update = (path: string, ...lines: string[]) =>
  ['*** Begin Patch', `*** Update File: ${path}`, ...lines, '*** End Patch'].join('\n')
function only(patch: string): Extract<FilePatch, { kind: 'update' }> {
  const [file, ...more] = parsePatch(patch)
  assert.equal(more.length, 0)
  if (file?.kind !== 'update') throw new Error('no update')
  return file
}
const patched = (text: string, ...lines: string[]) => applyHunks('f', text, only(update('f', ...lines)).hunks).text
function refusal(work: () => unknown): ToolFailure {
  try {
    work()
  } catch (error) {
    if (error instanceof ToolFailure) return error
    throw error
  }
  throw new Error('it was not refused')
}
const BODY = ['*** Update File: a.ts', '@@ class A', ' x', '-y', '+z']
const PARSED = [
  {
    kind: 'update',
    path: 'a.ts',
    hunks: [{ anchors: ['class A'], before: ['x', 'y'], after: ['x', 'z'], atEnd: false }],
  },
]

test('add, update, move and delete are read', () => {
  const files = parsePatch(
    [
      '*** Begin Patch',
      '*** Add File: new file.txt',
      '+one',
      '+',
      '+  two',
      '*** Delete File: old.txt',
      '*** Update File: a.ts',
      '*** Move to: b.ts',
      '@@',
      '-x',
      '+y',
      '*** Update File: c.ts',
      '*** Move to: d.ts',
      '*** End Patch',
    ].join('\n'),
  )
  assert.deepEqual(files, [
    { kind: 'add', path: 'new file.txt', text: 'one\n\n  two\n' },
    { kind: 'delete', path: 'old.txt' },
    {
      kind: 'update',
      path: 'a.ts',
      moveTo: 'b.ts',
      hunks: [{ anchors: [], before: ['x'], after: ['y'], atEnd: false }],
    },
    { kind: 'update', path: 'c.ts', moveTo: 'd.ts', hunks: [] },
  ])
  assert.deepEqual(parsePatch('*** Begin Patch\n*** Add File: e\n*** End Patch'), [
    { kind: 'add', path: 'e', text: '' },
  ])
})

test('the forms models wrap a patch in are all read alike', () => {
  const bare = ['*** Begin Patch', ...BODY, '*** End Patch']
  const forms: Record<string, string> = {
    bare: bare.join('\n'),
    'with a newline at the end': `${bare.join('\n')}\n`,
    'in a heredoc': ["apply_patch <<'EOF'", ...bare, 'EOF'].join('\n'),
    'in a shell call': ['bash -lc "apply_patch <<\\"EOF\\"', ...bare, 'EOF"'].join('\n'),
    'in a code fence': ['```diff', ...bare, '```'].join('\n'),
    'after a sentence': ['Here is the patch:', '', ...bare, '', 'Done.'].join('\n'),
    'without an end': bare.slice(0, -1).join('\n'),
    'without any marker': BODY.join('\n'),
    'with CRLF': bare.join('\r\n'),
    'with spaces after the markers': bare.map((line) => (line.startsWith('***') ? `${line}  ` : line)).join('\n'),
    'with a blank line before the header': [bare[0], '', ...bare.slice(1)].join('\n'),
    'with a blank line before the end': [...bare.slice(0, -1), '', '*** End Patch'].join('\n'),
    'with spaces before the markers': [`  ${bare[0]}`, ...BODY, '  *** End Patch'].join('\n'),
  }
  for (const [name, text] of Object.entries(forms)) assert.deepEqual(parsePatch(text), PARSED, name)
})

test('headers of hunks: none, bare, with a line of the file, several, with line numbers', () => {
  const anchors = (...lines: string[]) => only(update('f', ...lines, '-a', '+b')).hunks.map((hunk) => hunk.anchors)
  assert.deepEqual(anchors(), [[]])
  assert.deepEqual(anchors('@@'), [[]])
  assert.deepEqual(anchors('@@ '), [[]])
  assert.deepEqual(anchors('@@ class A', '@@   def f(self):'), [['class A', '  def f(self):']])
  assert.deepEqual(anchors('@@ -1,3 +1,4 @@'), [[]])
  assert.deepEqual(anchors('@@ -10 +12,4 @@ function f() {'), [['function f() {']])
})

test('an empty line stands for an empty line of context', () => {
  assert.equal(patched('a\n\nb\n', '@@', ' a', '', '-b', '+c'), 'a\n\nc\n')
})

test('what is no patch is refused with the line and the form', () => {
  for (const [text, why] of [
    ['', /Begin Patch/],
    ['--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n', /Begin Patch/],
    ['*** Begin Patch\n*** End Patch', /names no file/],
    ['*** Begin Patch\nUpdate: x\n*** End Patch', /line 2 .*"Update: x"/],
    ['*** Begin Patch\n*** Add File: x\nno plus\n*** End Patch', /line 3 .*"no plus"/],
    [update('x', '@@', '*a'), /line 4 .*"\*a"/],
    [update('x'), /no hunk/],
    [update('x', '@@'), /no hunk/],
  ] as const) {
    const failure = refusal(() => parsePatch(text))
    assert.equal(failure.code, 'invalid_patch', text)
    assert.match(failure.message, why)
    assert.match(failure.hint ?? '', /\*\*\* Update File: path/)
  }
})

test('a hunk goes to its context; several go in order', () => {
  const file = 'a\nb\nc\nd\ne\nf\n'
  assert.equal(patched(file, '@@', ' a', '-b', '+B', ' c', '@@', ' e', '-f', '+F', '+G'), 'a\nB\nc\nd\ne\nF\nG\n')
  assert.equal(patched(file, '@@', '-a', '-b', '@@', '-f'), 'c\nd\ne\n')
  assert.equal(patched(file, ' a', '+between', ' b'), 'a\nbetween\nb\nc\nd\ne\nf\n')
})

test('anchors lead to the place, outermost first', () => {
  const file = 'class A:\n  def f():\n    x\n  def g():\n    x\nclass B:\n  def f():\n    x\n  def g():\n    x\n'
  assert.equal(
    patched(file, '@@ class B:', '@@   def f():', '-    x', '+    y'),
    file.replace(/(class B:\n {2}def f\(\):\n) {4}x/, '$1    y'),
  )
  assert.equal(patched(file, '@@ class B:', '@@ def g():', '-    x', '+    y'), file.replace(/x\n$/, 'y\n'))
  assert.match(refusal(() => patched(file, '@@ class C:', '-    x', '+    y')).message, /class C:/)
})

test('lines alone are put after the anchor, without one at the end', () => {
  assert.equal(patched('a\nb\n', '@@ a', '+x'), 'a\nx\nb\n')
  assert.equal(patched('a\nb\n', '@@', '+x'), 'a\nb\nx\n')
  assert.equal(patched('a\nb', '@@', '+x'), 'a\nb\nx')
  assert.equal(patched('', '@@', '+x'), 'x\n')
})

test('end of file chooses the last place', () => {
  assert.equal(patched('a\nb\na\n', '@@', '-a', '+c', '*** End of File'), 'a\nb\nc\n')
})

test('a hunk that fits twice is refused with the lines, one that fits nowhere with the nearest', () => {
  const twice = refusal(() => patched('a\nb\na\n', '@@', '-a', '+c'))
  assert.equal(twice.code, 'patch_does_not_apply')
  assert.match(twice.message, /lines 1, 3/)
  const loose = refusal(() => patched(' a\nb\n   a\n', '@@', '-a', '+c'))
  assert.match(loose.message, /lines 1, 3/)
  const nowhere = refusal(() => patched('one\ntwo\nthree\n', '@@', ' one', '-zwei', '+2'))
  assert.match(nowhere.message, /zwei/)
  assert.match(nowhere.hint ?? '', /one\ntwo/)
})

test('line ends and the missing last newline stay', () => {
  assert.equal(patched('a\r\nb\r\nc\r\n', '@@', ' a', '-b', '+x', '+y'), 'a\r\nx\r\ny\r\nc\r\n')
  assert.equal(patched('a\nb', '@@', '-b', '+c'), 'a\nc')
  assert.equal(patched('\ufeffa\nb\n', '@@', '-a', '+c'), '\ufeffc\nb\n')
  assert.equal(patched('a\r\nb\nc\r\n', '@@', ' a', '-b', '+x', ' c'), 'a\r\nx\nc\r\n', 'mixed')
})

test('a loose place: added lines get the real indentation, context keeps its own', () => {
  assert.equal(patched('    a\n    b\n    c\n', '@@', ' a', '-b', '+B', ' c'), '    a\n    B\n    c\n')
  assert.equal(
    patched('    a {\n        b\n    }\n', '@@', '   a {', '-      b', '+      c', '   }'),
    '    a {\n        c\n    }\n',
  )
  assert.equal(
    patched('\ta {\n\t\tb\n\t}\n', '@@', '   a {', '-    b', '+    c', '+    d', '   }'),
    '\ta {\n\t\tc\n\t\td\n\t}\n',
  )
  assert.equal(patched('“a”  \nb\n', '@@', ' "a"', '-b', '+c'), '“a”  \nc\n')
  assert.equal(patched('a  \nb\n', '@@', ' a', '-b', '+c'), 'a  \nc\n')
  assert.deepEqual(applyHunks('f', '  a\n', only(update('f', '-a', '+b')).hunks).loosely, ['indentation'])
})

test('added and removed lines are counted without the context', () => {
  const { added, removed } = applyHunks(
    'f',
    'a\nb\nc\nd\n',
    only(update('f', ' a', '-b', '+x', '+y', '+z', ' c', '-d')).hunks,
  )
  assert.deepEqual([added, removed], [3, 2])
})

test('a random change written as a patch gives the changed file, byte for byte', () => {
  const { below, pick } = random(11)
  for (let round = 0; round < 1500; round++) {
    const eol = pick(['\n', '\r\n'])
    const lines = Array.from({ length: 3 + below(30) }, (_, i) =>
      pick([`line ${i}`, `\tline ${i}  `, `+${i}`, `- ${i}`, `@@ ${i}`, `*** ${i}`]),
    )
    const now = lines.flatMap((line) =>
      pick([[line], [line], [line], [line], [], [`${line}!`], [line, `new ${below(1000)}`]]),
    )
    const last = pick([eol, ''])
    const [before, after] = [lines, now].map((list) => list.join('\n') + (list.length > 0 && last ? '\n' : ''))
    if (before === after || now.length === 0) continue
    const patch = update(
      'f',
      ...structuredPatch('', '', before ?? '', after ?? '', '', '', { context: 3 }).hunks.flatMap((hunk) => [
        '@@',
        ...hunk.lines.filter((line) => !line.startsWith('\\')),
      ]),
    )
    const file = (before ?? '').replaceAll('\n', eol)
    assert.equal(
      applyHunks('f', file, only(patch).hunks).text,
      (after ?? '').replaceAll('\n', eol),
      `${round}: ${patch}`,
    )
  }
})
