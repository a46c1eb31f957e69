/**
 * English word stems for names in code: plural, -ing, -ed, -ation and their like end alike. Lighter than Porter's: it
 * never joins words that programmers keep apart (header/head, number/numb).
 */

const VOWEL = /[aeiouy]/

/** `word` is in lower case. Words with digits or up to three letters are left alone. */
export function stem(word: string): string {
  if (word.length <= 3 || !/^[a-z]+$/.test(word)) return word
  return ending(verbal(plural(word)))
}

function plural(word: string): string {
  if (word.endsWith('ies') && word.length > 4) return `${word.slice(0, -3)}y`
  if (word.endsWith('sses') || word.endsWith('shes') || word.endsWith('ches') || word.endsWith('xes'))
    return word.slice(0, -2)
  if (word.endsWith('s') && !/(?:ss|us|is)$/.test(word)) return word.slice(0, -1)
  return word
}

function verbal(word: string): string {
  const cut = word.endsWith('ing') ? 3 : word.endsWith('ed') && !word.endsWith('eed') ? 2 : 0
  if (cut === 0) return word
  const rest = word.slice(0, -cut)
  if (rest.length < 3 || !VOWEL.test(rest)) return word
  return /([bdfgmnprt])\1$/.test(rest) ? rest.slice(0, -1) : rest
}

const ENDINGS: [from: string, to: string][] = [
  ['ization', 'iz'],
  ['isation', 'iz'],
  ['ation', 'at'],
  ['ator', 'at'],
  ['ition', 'it'],
  ['ction', 'ct'],
  ['ise', 'iz'],
  ['ment', ''],
  ['ness', ''],
  ['able', ''],
  ['ible', ''],
  ['ally', 'al'],
  ['ly', ''],
]

function ending(word: string): string {
  for (const [from, to] of ENDINGS)
    if (word.endsWith(from) && word.length - from.length >= 3) return word.slice(0, word.length - from.length) + to
  return word.endsWith('e') ? word.slice(0, -1) : word
}
