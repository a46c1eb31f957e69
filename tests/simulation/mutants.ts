/**
 * Guards, each removed from the real source by replacing one piece of it: the simulation must notice. A piece that is
 * not found any more is an error, so that no mutant survives by not being one.
 */
export type Edit = { file: string; find: string; replace: string }
export type Mutant = { removes: string; edits: Edit[] }

const SQLITE = 'functions/adapters/sqlite-store.ts'
const SCRIPTS = 'functions/adapters/redis-scripts.ts'

export const MUTANTS: Record<string, Mutant> = {
  fence: {
    removes: 'a commit under an older lease is refused',
    edits: [
      {
        file: SQLITE,
        find: "if (found.token !== token) return { ok: false as const, why: 'fenced' as const }",
        replace: '',
      },
      { file: SCRIPTS, find: "if held ~= token then return {'FENCED'} end", replace: '' },
    ],
  },
  step: {
    removes: 'a commit must follow the step that is stored',
    edits: [
      {
        file: SQLITE,
        find: "if (found.step !== after) return { ok: false as const, why: 'stale' as const }",
        replace: '',
      },
      { file: SCRIPTS, find: "if current ~= after then return {'STALE'} end", replace: '' },
    ],
  },
}
