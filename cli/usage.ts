/** What every command is given, and the word for a mistake at the command line. */
export type Given = { values: Record<string, string | boolean | undefined>; words: string[] }

/** What a person did wrong at the command line: said in one line, exit code 2. */
export class UsageError extends Error {}

/** What a suggested command needs so that it reaches the same server. */
export const suffixOf = (server: string | boolean | undefined): string =>
  typeof server === 'string' ? ` --server ${server}` : ''

/** @throws UsageError for what is no number above 0. */
export function amount(option: string, value: string): number {
  const number = Number(value)
  if (!Number.isFinite(number) || number <= 0) throw new UsageError(`${option} must be a number above 0; not ${value}`)
  return number
}
