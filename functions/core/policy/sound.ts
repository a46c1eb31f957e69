/**
 * Whether a text is fit to be judged: every character is seen as what it is, the parser took all of it, and nothing was
 * passed over. The parser is young: what it would drop without a word is looked for here.
 */
import { forEachChild, type ParsedScript, type SyntaxNode } from 'unbash'
import type { Finding } from './effects.ts'

/** Controls, marks without width, other spaces, private and unassigned: what a person does not see as it is. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Zs}\p{Default_Ignorable_Code_Point}]/u
/** The emoji form of a sign is seen. */
const SEEN = /[ \t\n]+|(?<=\p{Extended_Pictographic})\ufe0f/gu

export const INVALID: Finding = { effect: 'harms', reason: 'the line is no valid shell command' }

export const isSeen = (text: string): boolean => !UNSEEN.test(text.replace(SEEN, ''))

export function isWhole(script: ParsedScript, at: string): boolean {
  if (script.errors && script.errors.length > 0) return false
  return /^(\s|[;&]|\\\n|#[^\n]*(?=\n|$))*$/.test(at.slice(endOf(script), script.end))
}

/** Where what was read ends, here-documents included. */
function endOf(script: ParsedScript): number {
  let last = script.commands.at(-1)?.end ?? script.pos
  const visit = (node: SyntaxNode): void => {
    if (node.type === 'HereDoc') last = Math.max(last, node.body.end, node.closing?.end ?? 0)
    forEachChild(node, visit)
  }
  visit(script)
  return last
}

/** The parser must have read all of it: a part that it passed over is a part that nobody judged. */
export const passedOver = (
  pieces: readonly { pos: number; end: number }[],
  { pos, end }: { pos: number; end: number },
  at: string,
): boolean => {
  let last = pos
  for (const piece of [...pieces].sort((a, b) => a.pos - b.pos)) {
    if (!/^(\s|\\\n)*$/.test(at.slice(last, piece.pos))) return true
    last = Math.max(last, piece.end)
  }
  return !/^(\s|\\\n)*$/.test(at.slice(last, end))
}
