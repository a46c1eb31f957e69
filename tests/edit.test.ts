import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ToolFailure } from '../sandbox-runner/define.ts'
import { replaceText } from '../sandbox-runner/text/edit.ts'
import { random } from './support/sandbox.ts'

const edit = (text: string, oldText: string, newText: string, all = false) =>
  replaceText('f.ts', text, oldText, newText, all)
const text = (...args: Parameters<typeof edit>) => edit(...args).text
function refusal(...args: Parameters<typeof edit>): ToolFailure {
  try {
    edit(...args)
  } catch (error) {
    if (error instanceof ToolFailure) return error
    throw error
  }
  throw new Error('it was not refused')
}

test('what is there once is replaced, and the line of the change is told', () => {
  assert.deepEqual(edit('a\nb\nc\n', 'b', 'B'), { text: 'a\nB\nc\n', places: 1, line: 2 })
  assert.equal(text('a\nb\nc\n', 'b\n', ''), 'a\nc\n')
  assert.equal(text('a\nb\nc', 'c', 'c\nd'), 'a\nb\nc\nd')
  assert.equal(text('let x = 1', 'x', 'y'), 'let y = 1')
  assert.equal(edit('a\nb\nc\n', 'b\nc', 'x').line, 2)
  assert.equal(edit('\n\nb\n', '\nb', 'x').line, 2)
})

test('the new text is taken as it is: no dollar patterns', () => {
  for (const all of [false, true]) assert.equal(text('price\n', 'price', "$& $1 $$ $' $`", all), "$& $1 $$ $' $`\n")
})

test('a file with CRLF keeps it, however old and new text are written', () => {
  const file = 'a\r\nb\r\nc\r\n'
  assert.equal(text(file, 'a\nb', 'x\ny\nz'), 'x\r\ny\r\nz\r\nc\r\n')
  assert.equal(text(file, 'a\r\nb', 'x\r\ny'), 'x\r\ny\r\nc\r\n')
  assert.equal(text(file, 'b\r\n', 'b\n'.repeat(2)), 'a\r\nb\r\nb\r\nc\r\n')
  assert.equal(text('a\r\nb', 'b', 'c'), 'a\r\nc')
})

test('a file with LF gets no CR from a text that has it', () => {
  assert.equal(text('a\nb\nc\n', 'a\r\nb\r\n', 'x\r\ny\r\n'), 'x\ny\nc\n')
})

test('in a file with mixed line ends every other byte stays', () => {
  assert.equal(text('a\r\nb\nc\r\nd\n', 'b', 'B'), 'a\r\nB\nc\r\nd\n')
  assert.equal(text('one\r\ntwo\nthree\r\nfour\n', 'one\r\ntwo\n', 'one\r\n2\n'), 'one\r\n2\nthree\r\nfour\n')
})

test('a byte-order mark stays, and is not doubled by a text copied with it', () => {
  assert.equal(text('\ufeffa\nb\n', 'a', 'x'), '\ufeffx\nb\n')
  assert.equal(text('\ufeffa\r\nb\r\n', 'a\nb', 'x'), '\ufeffx\r\n')
  assert.equal(text('\ufeffa\nb\n', '\ufeffa', '\ufeffx'), '\ufeffx\nb\n')
})

test('trailing spaces do not matter when nothing fits exactly', () => {
  const made = edit('if (a) {  \n  b()\n}\n', 'if (a) {\n  b()', 'if (c) {\n  b()')
  assert.equal(made.text, 'if (c) {\n  b()\n}\n')
  assert.equal(made.loosely, 'trailing spaces')
  assert.equal(text('a\nb\n', 'a  \nb', 'x'), 'x\n')
  assert.equal(text('a\t\nb\n', 'a\nb\n', 'x\n'), 'x\n')
})

test('indentation does not matter; the new lines get the real one', () => {
  const file = 'class A {\n    f() {\n        return 1\n    }\n}\n'
  const made = edit(file, 'f() {\n    return 1\n}', 'f() {\n    const x = 2\n    return x\n}')
  assert.equal(made.text, 'class A {\n    f() {\n        const x = 2\n        return x\n    }\n}\n')
  assert.equal(made.loosely, 'indentation')
  assert.equal(text('a:\n  b:\n    c\n', '        b:\n          c', '        b:\n          d'), 'a:\n  b:\n    d\n')
  const left = text('if a:\n        b\n    c\n', '    b\nc', '    B\nc')
  assert.equal(left, 'if a:\n        B\n    c\n', 'a line left of the first one')
})

test('empty lines inside a loosely found text stay empty', () => {
  assert.equal(text('  a\n\n  b\n', 'a\n\nb', 'a\n\nB'), '  a\n\n  B\n')
})

test('a file indented with tabs takes a text with spaces, and stays a file with tabs', () => {
  const file = 'func f() {\n\tif a {\n\t\tb()\n\t}\n}\n'
  for (const step of ['    ', '  ']) {
    const [old, now] = ['b', 'c'].map((name) => `${step}if a {\n${step}${step}${name}()\n${step}}`)
    assert.equal(text(file, old ?? '', now ?? ''), 'func f() {\n\tif a {\n\t\tc()\n\t}\n}\n')
  }
})

test('a file indented with spaces takes a text with tabs, and stays a file with spaces', () => {
  const file = 'def f():\n    if a:\n        b()\n'
  assert.equal(text(file, '\tif a:\n\t\tb()', '\tif a:\n\t\tc()'), 'def f():\n    if a:\n        c()\n')
})

test('typographic punctuation is found by its plain twin, and the reverse', () => {
  assert.equal(edit('say(“hi” – it’s…)\n', `say("hi" - it's...)`, 'say(1)').loosely, 'punctuation')
  assert.equal(text('say("hi" - it\'s)\n', 'say(“hi” — it’s)', 'say(1)'), 'say(1)\n')
  assert.equal(text('a\u00a0b\n', 'a b', 'c'), 'c\n')
})

test('one level of escaping too many is taken off the old and the new text', () => {
  const made = edit('say("a")\nsay("b")\n', 'say(\\"a\\")\\nsay(\\"b\\")', 'say(\\"c\\")')
  assert.deepEqual([made.text, made.loosely], ['say("c")\n', 'escapes'])
  assert.equal(text('print("a\\n")\n', 'print("a\\n")', 'print("b\\n")'), 'print("b\\n")\n', 'a real escape stays')
  assert.equal(text('re = /\\\\d/\n', 're = /\\\\d/', 're = /\\\\w/'), 're = /\\\\w/\n')
})

test('two places that fit are refused with their lines, exactly or loosely', () => {
  const exact = refusal('a\nb\na\n', 'a', 'x')
  assert.equal(exact.code, 'text_not_unique')
  assert.match(exact.message, /lines 1, 3/)
  assert.match(exact.hint ?? '', /replaceAll/)
  const loose = refusal('  a\nb\n    a\nb\n', ' a\nb', 'x')
  assert.equal(loose.code, 'text_not_unique')
  assert.match(loose.message, /lines 1, 3/)
})

test('two places that overlap are two places', () => {
  assert.equal(refusal('{\n}\n}\n}\n', '}\n}', '}').code, 'text_not_unique')
})

test('a text that is there very often is refused as quickly as any other', () => {
  const started = performance.now()
  assert.equal(refusal('  },\n'.repeat(30_000), '},', 'x').code, 'text_not_unique')
  assert.ok(performance.now() - started < 1500, `it took ${Math.round(performance.now() - started)} ms`)
})

test('an exact place wins over looser ones', () => {
  assert.equal(text('  a\na\n', '  a', 'x'), 'x\na\n')
  assert.equal(text('a  \nb\na\nb\n', 'a\nb', 'x'), 'a  \nb\nx\n')
})

test('what is not there is refused with the nearest real lines', () => {
  const file = 'import a\n\nfunction total(list) {\n  return list.length\n}\n'
  const near = refusal(file, 'function total(items) {\n  return items.length\n}', 'x')
  assert.equal(near.code, 'text_not_found')
  assert.match(near.hint ?? '', /Nothing was changed/)
  assert.match(near.hint ?? '', /function total\(list\) \{\n {2}return list\.length\n\}/)
  assert.match(near.hint ?? '', /from line [23]/)
  const far = refusal(file, 'zzzzzz', 'x')
  assert.equal(far.code, 'text_not_found')
  assert.match(far.hint ?? '', /Read f\.ts/)
  assert.equal(refusal('', 'a', 'b').code, 'text_not_found')
})

test('the nearest lines are shown in part when they are very long', () => {
  const near = refusal(`begin\n${'x = 1; '.repeat(100_000)}\nend\n`, 'begin\nmiddle\nend', 'y')
  assert.match(near.hint ?? '', /begin/)
  assert.ok((near.hint ?? '').length < 20_000, `the hint has ${near.hint?.length} characters`)
})

test('an edit that is done already says so', () => {
  const done = refusal('const a = 2\n', 'const a = 1', 'const a = 2')
  assert.equal(done.code, 'text_not_found')
  assert.match(done.message, /already/)
  const other = refusal('function max(a) {\n  return a\n}\n', 'function max(b) {\n  return b\n', 'x')
  assert.match(other.hint ?? '', /function max\(a\)/, 'a new text that is only part of a word is not there already')
})

test('an empty old text and an edit that changes nothing are refused', () => {
  assert.equal(refusal('a\n', '', 'b').code, 'invalid_arguments')
  assert.equal(refusal('a\n', 'a', 'a').code, 'no_change')
  assert.equal(refusal('a\n', ' \n ', 'b').code, 'text_not_found', 'blank lines are no loose match')
})

test('replaceAll replaces every place, exactly or loosely', () => {
  assert.deepEqual(edit('a b a\na\n', 'a', 'x', true), { text: 'x b x\nx\n', places: 3, line: 1 })
  const loose = edit('  a()\nb\n    a()\n', 'a() ', 'c()', true)
  assert.deepEqual([loose.text, loose.places], ['  c()\nb\n    c()\n', 2])
  assert.equal(text('a\r\na\r\n', 'a\n', 'b\n', true), 'b\r\nb\r\n')
})

test('replaceAll takes places that overlap one after the other', () => {
  assert.equal(text('aaa\n', 'aa', 'b', true), 'ba\n')
  assert.equal(text('}  \n}  \n}  \nend\n', '}\n}', 'x', true), 'x\n}  \nend\n')
})

test('lines that old and new text share keep the bytes they have in the file', () => {
  assert.equal(
    text('// “said”  \nlet a = 1\n', '// "said"\nlet a = 1', '// "said"\nlet a = 2'),
    '// “said”  \nlet a = 2\n',
  )
})

test('on random files an edit is what it says, byte for byte', () => {
  const { below, pick } = random(7)
  const words = ['a', 'b ', '\t', '  ', '{', '}', '“q”', 'é', '\\n', '"', '$&']
  for (let round = 0; round < 2000; round++) {
    const eol = pick(['\n', '\r\n'])
    const lines = Array.from(
      { length: 2 + below(8) },
      (_, i) => `${i}:${Array.from({ length: below(4) }, () => pick(words)).join('')}`,
    )
    const file = `${pick(['', '\ufeff'])}${lines.join(eol)}${pick(['', eol])}`
    const from = below(lines.length)
    const old = lines.slice(from, from + 1 + below(3)).join(eol)
    const now = Array.from({ length: 1 + below(3) }, () => `n${pick(words)}`).join(eol)
    const at = file.indexOf(old)
    assert.equal(
      text(file, old, now),
      file.slice(0, at) + now + file.slice(at + old.length),
      JSON.stringify([file, old, now]),
    )
  }
})
