/**
 * Options and operands of an argument list, as getopt reads them. A letter or name in `valued` takes the next word as
 * its value; a long name may be shortened, so what is asked about (`has`) is asked by prefix: `--outp` is `--output`.
 */
import { type Arg, partOf } from './words.ts'

export type Option = {
  name: string
  long: boolean
  value: Arg | undefined
  arg: Arg
  /** Only the beginning of a name that takes a value: which words are values is not certain then. */
  vague?: true
}
export type Read = { options: Option[]; operands: Arg[] }

export function readOptions(args: Arg[], valued: ReadonlySet<string>, mixed = true): Read {
  const read: Read = { options: [], operands: [] }
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as Arg
    const text = arg.shape
    if (text === '--') {
      read.operands.push(...args.slice(i + 1))
      break
    }
    if (!text.startsWith('-') || text === '-') {
      read.operands.push(...(mixed ? [arg] : args.slice(i)))
      if (!mixed) break
    } else if (text.startsWith('--')) {
      const [name = '', ...rest] = text.slice(2).split('=')
      const own = text.includes('=') ? partOf(arg, rest.join('=')) : undefined
      const takes = !own && valued.has(name)
      const vague = !valued.has(name) && [...valued].some((full) => full.length > 1 && full.startsWith(name))
      const value = own ?? (takes ? args[++i] : undefined)
      read.options.push({ name, long: true, value, arg, ...(vague ? { vague } : {}) })
    } else {
      for (let at = 1; at < text.length; at++) {
        const name = text[at] as string
        if (!valued.has(name)) read.options.push({ name, long: false, value: undefined, arg })
        else {
          const rest = text.slice(at + 1)
          read.options.push({ name, long: false, value: rest === '' ? args[++i] : partOf(arg, rest), arg })
          break
        }
      }
    }
  }
  return read
}

/** Whether an option could be one of these; `safe` are full names that only look like the beginning of one. */
export const means = (
  { name, long }: Pick<Option, 'name' | 'long'>,
  names: ReadonlySet<string>,
  safe?: ReadonlySet<string>,
): boolean =>
  long ? !safe?.has(name) && [...names].some((full) => full.length > 1 && full.startsWith(name)) : names.has(name)

export const words = (text: string): Set<string> => new Set(text.split(/\s+/).filter(Boolean))
