/** Harmony, the chat format of gpt-oss, where a server passes it on raw: channels, recipients, control tokens. */
import { isPatch, type Said } from './call.ts'
import { readLoose } from './loose.ts'
import { isKnown } from './names.ts'

/** What a dialect found: calls and the text beside them, or why there is none. */
export type Found =
  | { said: Said[]; text: string; why?: undefined }
  | { why: string; said?: undefined; text?: undefined }
export const none = (why: 'cut' | 'ambiguous' | 'broken'): Found => ({ why: WHY[why] })
const WHY = {
  cut: 'the call was cut off',
  ambiguous: 'it could be read as more than one call',
  broken: 'its arguments could not be read',
}

/** A header with a recipient: at the start, after a control token, or glued to the word `assistant` where tokens were lost. */
const HEADER =
  /(?:<\|start\|>\s*)?(?:assistant)?\s*(?:<\|channel\|>\s*)?(?:commentary|analysis|final)?\s*(?:<\|recipient\|>|to=)\s*([\w.:-]+)\s*(?:<\|channel\|>\s*(?:commentary|analysis|final))?\s*(?:<\|constrain\|>)?\s*(?:json|code)?\s*(?:<\|message\|>)?\s*/g

export function findHarmony(text: string, strict: boolean): Found | undefined {
  const raw = /<\|(?:channel|start|message|call|constrain|end|return)\|>/.test(text)
  const headers = [...text.matchAll(HEADER)].filter(({ 0: all, 1: name = '', index }) => {
    const before = text.slice(0, index)
    const begins =
      before.trim() === '' ||
      /(?:\|>|assistant|\n)\s*$/.test(before) ||
      /^\s*(?:<\|start\|>|assistant|<\|channel\|>)/.test(all)
    return begins && (raw || (isKnown(name) && /^(functions\.|repo_browser\.|container\.)/.test(name)))
  })
  if (headers.length === 0) return raw ? words(text) : lostTokens(text)
  if (strict && !raw && headers[0]?.index !== 0 && !/^analysis/.test(text.trimStart())) return undefined
  const said: Said[] = []
  for (const [i, header] of headers.entries()) {
    const from = (header.index ?? 0) + header[0].length
    const part = text.slice(from, headers[i + 1]?.index ?? text.length)
    const body = part.replace(/<\|(?:call|end|return)\|>[\s\S]*$/, '').trim()
    const closed = /<\|call\|>/.test(part)
    if (isPatch(body)) {
      said.push({ id: '', name: header[1] ?? '', arguments: body })
      continue
    }
    const read = readLoose(body)
    if (!read.ok) {
      // A script as it is: whole only when its end was said.
      if (closed && body !== '' && !/^[{["]/.test(body) && /python/.test(header[1] ?? ''))
        said.push({ id: '', name: header[1] ?? '', arguments: JSON.stringify({ code: body }) })
      else return none(read.why === 'cut' && body !== '' ? 'cut' : 'broken')
      continue
    }
    const rest = body
      .slice(read.end)
      .replace(/<\|[^>]*\|?>?/g, '')
      .trim()
    if (/^[{[]/.test(rest)) return none('ambiguous')
    said.push({ id: '', name: header[1] ?? '', arguments: body.slice(0, read.end) })
  }
  const preamble = /<\|channel\|>(?:commentary|final)\s*<\|message\|>([\s\S]*?)<\|(?:end|return|call)\|>/.exec(
    text,
  )?.[1]
  return { said, text: preamble?.trim() ?? '' }
}

/** No recipient: the words of the last channel for people; nothing, where it only thought. */
function words(text: string): Found | undefined {
  const last = [
    ...text.matchAll(
      /<\|channel\|>\s*(final|commentary)\s*(?:<\|constrain\|>\s*\w+\s*)?<\|message\|>([\s\S]*?)(?=<\|(?:return|end|call|start)\|>|$)/g,
    ),
  ].at(-1)
  if (!last) return undefined
  const body = (last[2] ?? '').trim()
  // Words in their own channel may still hold a call in another dialect; that is not looked for.
  return { said: [], text: body }
}

/** The same where the tokens themselves got lost on the way. */
function lostTokens(text: string): Found | undefined {
  const final = /^\s*analysis[\s\S]*assistantfinal([\s\S]*)$/.exec(text)?.[1]?.trim()
  return final ? { said: [], text: final } : undefined
}
