/** Loads the sources of Stint with one mutant's edits in them. Must be called before anything of Stint is loaded. */
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import { MUTANTS } from './mutants.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** @throws Error when there is no such mutant. Loading throws when a piece to replace is not there once. */
export function mutate(name: string): void {
  const mutant = MUTANTS[name]
  if (!mutant) throw new Error(`there is no mutant ${name}; --list-mutants names them`)
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context)
      const file = url.startsWith('file:') ? fileURLToPath(url).slice(ROOT.length) : ''
      const edits = mutant.edits.filter((edit) => edit.file === file)
      if (edits.length === 0) return loaded
      let source = String(loaded.source)
      for (const { find, replace } of edits) {
        if (source.split(find).length !== 2) throw new Error(`mutant ${name}: ${file} does not hold once: ${find}`)
        source = source.replace(find, () => replace)
      }
      return { ...loaded, source }
    },
  })
}
