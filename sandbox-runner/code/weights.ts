/**
 * What each feature weighs, learnt by `npm run bench:learn` (a listwise softmax over the candidates of each commit) from
 * eighteen public repos in eight languages, ten of them without history, and judged on six others; which ones, and what
 * it gave, is in docs/decisions/0023-ranking.md. Rounded, and set by hand where commits mislead: they never ask for
 * documentation (`plain`, `plainAsked`), rarely for one name, and touch a test with nearly everything, while people look
 * for what it tests first (`test`).
 */
import type { FIRST } from './features.ts'
import type { SECOND } from './neighbours.ts'

export type Weights = Record<(typeof FIRST)[number] | (typeof SECOND)[number], number>

export const WITH_HISTORY: Weights = {
  body: 1.6,
  bodyShare: 0.6,
  rare: 0.45,
  chunk: 1.95,
  names: 0.25,
  base: 0.7,
  dir: 0.9,
  baseWhole: 0.75,
  exact: 0.65,
  scope: 1.6,
  kin: 0.8,
  kinBest: 1.2,
  past: 0.85,
  active: -0.25,
  lately: 0.85,
  fresh: 0.1,
  now: 0.55,
  near: 0.2,
  test: -1.2,
  testAsked: 2.1,
  plain: -4,
  plainAsked: 2.5,
  length: 0.95,
  depth: -2.1,
  alike: 1.6,
  together: 0.95,
  pair: 0.65,
  pairTest: 1.75,
  folder: 0.1,
  lead: -0.75,
}

export const WITHOUT_HISTORY: Weights = {
  ...WITH_HISTORY,
  body: 1.65,
  bodyShare: 0.7,
  rare: 0.6,
  chunk: 2.2,
  names: 0.15,
  base: 0.9,
  baseWhole: 0.55,
  exact: 0.55,
  scope: 1.85,
  test: -1.1,
  testAsked: 1.95,
  length: 3.15,
  depth: -2.9,
  alike: 1.9,
  pair: 1.4,
  pairTest: 2.7,
  folder: 0.85,
  lead: 1.55,
}

/** Where the query is nothing but names, who defines them comes first. */
export const ONLY_NAMES_EXACT = 6
