/**
 * What a search answers does not depend on how it was made: plain code is the reference, ripgrep may only leave out files
 * that hold no hit. The tree is generated, with every kind of odd file that a repo has.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { neededTexts } from '../sandbox-runner/search/needed.ts'
import { byPlainCode, byRipgrep, readPattern, ripgrep } from '../sandbox-runner/search/search.ts'
import { random } from './support/sandbox.ts'
import { tempFolder, write } from './support/world.ts'

const WORDS = [
  'alpha',
  'Beta',
  'naïve',
  'straße',
  'x1_y',
  'foo.bar',
  'A::b',
  '日本語',
  '😀',
  'λ',
  'É',
  'k',
  'K',
  'ſ',
  'a-b',
  '<div>',
  '[]',
  'p{L}',
  '$x',
  'end',
]

function oddTree(root: string): string[] {
  const { pick, below } = random(3)
  const line = () => Array.from({ length: below(7) }, () => pick(WORDS)).join(pick([' ', '\t', '  ', '']))
  const text = (eol: string, lines = below(12)) => Array.from({ length: lines }, line).join(eol)
  const files: Record<string, string | Uint8Array> = {
    empty: '',
    'one newline': '\n',
    'no newline': 'alpha end',
    'crlf.txt': text('\r\n', 10),
    'cr-only.txt': 'alpha\rBeta\rend',
    'mixed.txt': 'alpha\r\nBeta\nend\r\n',
    'bom.txt': '\ufeffalpha\nBeta\n',
    'latin1.txt': Buffer.from('caf\xe9 alpha\nna\xefve x\n', 'latin1'),
    'utf16.txt': Buffer.from('\ufeffalpha\n', 'utf16le'),
    'binary.bin': Buffer.from('alpha\0Beta\nend'),
    'late.bin': Buffer.concat([Buffer.from('alpha\n'.repeat(20_000)), Buffer.from([0, 10])]),
    'separators.txt': 'x\u2028alpha\u2029Beta\u0085end\n',
    'wide.txt': `${'x'.repeat(5000)} alpha ${'y'.repeat(5000)}\n`,
    'marks.txt': 'e\u0301 naïve\nİ i̇ ı\n',
    'sub/-dash': 'alpha\n',
    '-dash': 'alpha\n',
    'q\'uo"te $(x) *': 'alpha\n',
    'new\nline': 'alpha\n',
    '日本/語.txt': text('\n', 8),
  }
  for (let i = 0; i < 120; i++) files[`d${i % 7}/f${i}.${pick(['ts', 'md', 'txt'])}`] = text('\n')
  write(root, files)
  return Object.keys(files).sort()
}

const PATTERNS = [
  ...[
    'alpha',
    'Beta$',
    '^alpha',
    '^',
    '$',
    '^$',
    'end\\b',
    '\\bve\\b',
    '\\balpha',
    'x\\W',
    '\\W',
    '\\w+ \\w+',
    '[^a-z]ve',
    'na.ve',
    'caf. alpha',
  ],
  ...[
    '^..$',
    '^.$',
    '.{3}語',
    '[é-ï]',
    '\\S+\\s\\S+',
    '\\s',
    '\\s+$',
    '\\d',
    '\\D',
    'x\\d_y',
    'foo.bar',
    'foo\\.bar',
    'A::b',
    '<div>',
    '\\<div\\>',
  ],
  ...[
    '(?i)beta',
    '(?i)NAÏVE',
    '(?i)k',
    '(?i)STRASSE',
    '(?i)λ',
    '(?i)É',
    '[A-Z]',
    '(?<=a)-b',
    'a(?=-)',
    '(a)-\\1',
    '(alpha|Beta) end',
  ],
  ...[
    '(',
    '[',
    'a{',
    '*',
    'p{L}',
    '\\p{L}',
    '\\Aalpha',
    '\\aalpha',
    '[[:alpha:]]',
    '[a&&b]',
    '\\u0061lpha',
    '\\x61',
    '\\/',
    '\\-',
    '\\.',
    '\\$x',
    '\\[\\]',
  ],
  ...[
    'alpha\\nBeta',
    'alpha\\r',
    'a\\u2028',
    'x*',
    '(?:)',
    '\\ufeff',
    '\\ufefe?alpha',
    '日本',
    '😀',
    '😀$',
    '[😀]',
    'λ|ſ',
    '(\\w+)\\s\\1',
  ],
]

const noRipgrep = !ripgrep() && process.env.STINT_TEST_REQUIRE !== 'all' && 'ripgrep (rg) is not installed'
test('ripgrep leaves out no file that has a hit', { skip: noRipgrep }, async (t) => {
  const root = tempFolder(t)
  const files = oddTree(root)
  const differing: string[] = []
  for (const source of PATTERNS) {
    const query = { root, files, pattern: readPattern(source), limit: 10_000, timeoutMs: 20_000 }
    const narrowed = await byRipgrep(query)
    const plain = await byPlainCode(query)
    const both = narrowed === undefined ? plain : await byPlainCode({ ...query, files: narrowed })
    if (JSON.stringify(both) !== JSON.stringify(plain)) {
      const lost = plain.filter(({ path }) => !narrowed?.includes(path))
      differing.push(`${source}: ${plain.length} hits, ${both.length} with ripgrep; lost ${JSON.stringify(lost[0])}`)
    }
  }
  assert.deepEqual(differing, [])
})

test('hits are the lines a line-by-line reading finds', async (t) => {
  const root = tempFolder(t)
  const files = oddTree(root).filter((name) => !/bin$|utf16|separators|cr-only/.test(name))
  for (const source of PATTERNS) {
    const pattern = readPattern(source)
    const regex = new RegExp(pattern.source, pattern.flags)
    const expected = files.flatMap((path) => {
      const text = readFileSync(join(root, path), 'utf8')
      const lines = text.split('\n').map((line) => line.replace(/\r$/, ''))
      if (lines.at(-1) === '') lines.pop()
      return lines.flatMap((line, i) => (regex.test(line) ? [`${path}:${i + 1}`] : []))
    })
    const hits = await byPlainCode({ root, files, pattern, limit: 100_000, timeoutMs: 20_000 })
    assert.deepEqual(
      hits.map(({ path, line }) => `${path}:${line}`),
      expected,
      source,
    )
  }
})

test('a line that matches holds a text that the pattern needs', () => {
  const told: [string, string[] | undefined][] = [
    ['function \\w+\\(', ['function ']],
    ['foo|ba(?:r|z)q', ['foo', 'ba']],
    ['a?b{2}cde*', ['cd']],
    ['(?=ab)\\w+', undefined],
    ['\\x61', undefined],
    ['x|', undefined],
    ['😀+', undefined],
  ]
  for (const [source, texts] of told) assert.deepEqual(neededTexts(source, false), texts, source)
  const { pick, below } = random(5)
  for (let n = 0; n < 20_000; n++) {
    const source = Array.from({ length: 1 + below(6) }, () => pick(PIECES) + pick(TIMES)).join('')
    const flags = pick(['', 'i'])
    const texts = isPattern(source) ? neededTexts(source, flags !== '') : undefined
    const fold = (text: string) => (flags ? text.toLowerCase() : text)
    for (let lines = 0; texts && lines < 6; lines++) {
      const line = Array.from({ length: below(7) }, () => pick(LETTERS)).join('')
      if (!new RegExp(source, `${flags}m`).test(line)) continue
      assert.ok(
        texts.some((text) => fold(line).includes(fold(text))),
        `${JSON.stringify([source, flags, line])} needs ${texts}`,
      )
    }
  }
})

const PIECES = [
  ...[
    'a',
    'b',
    'ab',
    '.',
    '\\.',
    '[ab]',
    '[^a]',
    '(a|b)',
    '(?:ab|c)',
    '(?=a)',
    '(?!b)',
    '(?<=a)',
    '(?<!c)',
    '(?<n>a)',
    '\\b',
  ],
  ...[
    '^',
    '$',
    '\\1',
    '\\x61',
    '{',
    '}',
    ']',
    'a{2}',
    'a{,2}',
    '(?:)',
    '[]',
    '[^]',
    '😀',
    'é',
    '\\-',
    '|',
    '(b|)',
    '(?i:a)',
    '\\0',
  ],
]
const TIMES = ['', '', '', '*', '+', '?', '{0}', '{1,2}', '{2}', '+?', '{0,}']
const LETTERS = ['a', 'b', 'c', 'A', 'B', '{', '.', '-', '😀', 'é', 'É', '2', '}', ']', 'a{,2}', 'K', 'ſ']

function isPattern(source: string): boolean {
  try {
    new RegExp(source)
    return true
  } catch {
    return false
  }
}
