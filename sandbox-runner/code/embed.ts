/**
 * The built-in lexical embedding: words and their character n-grams, hashed into a short vector. Words that are spelled
 * alike ("serialise" and "serializer", "config" and "configure") come near each other. It needs no model and no network.
 *
 * Guarantees: pure; vectors have length 1, or are all zero when there was no word; the same words give the same vector.
 */

export const DIMENSIONS = 256
const GRAM_MIN = 3
const GRAM_MAX = 4

/** The vector of words in lower case, each with its weight. */
export function embed(words: Iterable<readonly [word: string, weight: number]>): Float32Array {
  const vector = new Float32Array(DIMENSIONS)
  for (const [word, weight] of words) addWord(vector, word, weight)
  let sum = 0
  for (const number of vector) sum += number * number
  if (sum === 0) return vector
  const scale = 1 / Math.sqrt(sum)
  return vector.map((number) => number * scale)
}

function addWord(vector: Float32Array, word: string, weight: number): void {
  const marked = `<${word.slice(0, 32)}>`
  let grams = 0
  for (let size = GRAM_MIN; size <= GRAM_MAX; size++) grams += Math.max(0, marked.length - size + 1)
  const each = weight / Math.sqrt(grams + 1)
  addHashed(vector, hash(marked, 0, marked.length), each)
  for (let size = GRAM_MIN; size <= GRAM_MAX; size++)
    for (let at = 0; at + size <= marked.length; at++) addHashed(vector, hash(marked, at, at + size), each)
}

function addHashed(vector: Float32Array, hashed: number, weight: number): void {
  const place = hashed & (DIMENSIONS - 1)
  vector[place] = (vector[place] as number) + (hashed & 0x10000 ? weight : -weight)
}

/** FNV-1a of a part of a text, mixed so that low bits depend on all of it. */
function hash(text: string, from: number, to: number): number {
  let value = 0x811c9dc5
  for (let at = from; at < to; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193)
  value ^= value >>> 15
  value = Math.imul(value, 0x2c1b3c6d)
  return (value ^ (value >>> 12)) >>> 0
}

export function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let at = 0; at < DIMENSIONS; at++) sum += (a[at] as number) * (b[at] as number)
  return sum
}
