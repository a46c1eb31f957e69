/**
 * What each feature weighs. Learnt by a listwise softmax from commits of twelve public repos in eight languages (see
 * docs/decisions), on files of other repos than those the figures are from; then rounded, and set by hand where commits
 * cannot tell: they never ask for documentation, and rarely for one name.
 */
import type { FIRST } from './features.ts'
import type { SECOND } from './neighbours.ts'

export type Weights = Record<(typeof FIRST)[number] | (typeof SECOND)[number], number>

export const WITH_HISTORY: Weights = {
  body: 1.5,
  bodyShare: 0.6,
  cover: 0,
  rare: 0,
  chunk: 2.1,
  names: 0.4,
  base: 0.55,
  dir: 0.8,
  baseWhole: 0.6,
  exact: 0.5,
  scope: 1.4,
  kin: 1.1,
  kinBest: 1.5,
  past: 0,
  active: 0.5,
  lately: 0.3,
  fresh: 0.45,
  now: 0,
  near: 0,
  test: -1,
  testAsked: 2.3,
  plain: -4,
  plainAsked: 2.5,
  length: 0.65,
  depth: -1.4,
  alike: 1.3,
  together: 0.8,
  pair: 0.8,
  pairTest: 1.4,
  folder: 0.6,
  lead: 0.1,
}

export const WITHOUT_HISTORY: Weights = {
  ...WITH_HISTORY,
  bodyShare: 0.7,
  chunk: 2.2,
  scope: 1.3,
  test: -1.2,
  testAsked: 2,
  length: 3.1,
  depth: -2,
  alike: 1.6,
  pair: 1.2,
  pairTest: 1.6,
  folder: 0.8,
  lead: 2,
}

/** Where the query is nothing but names, who defines them comes first. */
export const ONLY_NAMES_EXACT = 6
