/** Values of arguments in the type that the tool's schema asks for, where only one such value can be meant. */
import { isObject, readLoose } from './loose.ts'

type Args = Record<string, unknown>
export type Schema = { type?: string; minimum?: number; maximum?: number; items?: Schema }

/** The object or list that a string holds, and nothing beside it. */
export function objectIn(text: string): unknown {
  const read = readLoose(text)
  return read.ok && text.slice(read.end).trim() === '' ? read.value : undefined
}

export const DROP = Symbol('dropped')
const PLACES = new Set(['path', 'cwd', 'glob'])
const TEXTS = new Set(['content', 'oldText', 'newText', 'patch'])

export function coerce(
  value: unknown,
  { type, minimum, maximum, items }: Schema,
  key: string,
  { args, optional }: { args: Args; optional: boolean },
): unknown {
  if (value === null) return DROP
  if (optional && typeof value === 'string' && (value.trim() === '' || /^(null|none|undefined)$/i.test(value.trim())))
    return DROP
  if (type === 'integer' || type === 'number') {
    const number = typeof value === 'string' && /^\s*-?\d+(\.0+)?\s*$/.test(value) ? Number(value) : value
    if (typeof number !== 'number' || !Number.isInteger(number)) return number
    if (number === 0 && minimum === 1) return key === 'offset' ? 1 : optional ? DROP : number
    return maximum !== undefined && number > maximum ? maximum : number
  }
  if (type === 'boolean')
    return /^true$/i.test(String(value)) || value === 1
      ? true
      : /^false$/i.test(String(value)) || value === 0
        ? false
        : value
  if (type === 'array') {
    const list = typeof value === 'string' ? (objectIn(value) ?? value) : value
    if (Array.isArray(list)) return list
    if (typeof list === 'string') return /^[\w./@-]+(,\s+[\w./@-]+)+$/.test(list) ? list.split(/,\s+/) : [list]
    return isObject(list) && items?.type === 'object' ? [list] : value
  }
  if (type === 'object') return typeof value === 'string' ? (objectIn(value) ?? value) : value
  if (type !== 'string') return value
  return text(value, key, args)
}

function text(value: unknown, key: string, args: Args): unknown {
  if (typeof value === 'string' && PLACES.has(key)) {
    const inner = value.trim()
    return /^(["'`])[^"'`]*\1$/.test(inner) ? inner.slice(1, -1) : inner
  }
  if ((typeof value === 'number' || typeof value === 'boolean') && !PLACES.has(key)) return String(value)
  if (Array.isArray(value) && value.length > 0 && value.every((part) => typeof part === 'string')) {
    if (value.length === 1) return value[0]
    if (TEXTS.has(key)) return value.some((part) => part.endsWith('\n')) ? value.join('') : value.join('\n')
  }
  if (
    key === 'content' &&
    typeof value === 'object' &&
    value !== null &&
    /\.(json|webmanifest)$/.test(String(args.path))
  )
    return `${JSON.stringify(value, null, 2)}\n`
  return value
}
