/** Where a redirection leads: what it reads or writes, and what a command's input becomes by it. */
import type { Redirection } from 'unbash'
import type { Finding } from './effects.ts'
import { readingOf, writingTo } from './places.ts'
import { found, present, type Stdin } from './rule.ts'
import { argOf } from './words.ts'

export type Redirected = { findings: Finding[]; stdin?: Stdin | undefined }

export function redirected(redirect: Redirection, part: string): Redirected {
  const { descriptor } = redirect
  const input = descriptor === undefined || (descriptor.type === 'FileDescriptor' && descriptor.value === 0)
  const given = (findings: Finding[], stdin: Stdin): Redirected => ({ findings, stdin: input ? stdin : undefined })
  if (redirect.type === 'HereDoc') {
    const plain = redirect.delimiter?.quoted === true || !redirect.body.parts?.length
    return plain
      ? given([], { from: 'text', text: redirect.body.text })
      : given(found('runs', 'the shell fills in the here-document', part), { from: 'pipe' })
  }
  const target = redirect.target && argOf(redirect.target)
  if (!target) return { findings: found('hides', 'a redirection without a target', part) }
  const { value, text } = target
  if (redirect.type === 'HereString')
    return value === undefined
      ? given(found('runs', 'the shell fills in the here-string', part), { from: 'pipe' })
      : given([], { from: 'text', text: value })
  const named = descriptor?.type === 'FileDescriptorVariable' ? found('runs', 'opens a file for later', part) : []
  if (/^[<>]&$/.test(redirect.operator) && /^(\d+-?|-)$/.test(value ?? '')) return { findings: named }
  if (redirect.operator === '<' || redirect.operator === '<&') {
    const unknown = value === undefined ? found('runs', `${text} is known only when it runs`, part) : []
    return given([...named, ...unknown, ...present([readingOf(target, part)])], {
      from: value === undefined ? 'pipe' : 'file',
    })
  }
  const read = redirect.operator === '<>' ? [readingOf(target, part)] : []
  return { findings: [...named, ...present([...read, writingTo(target, part)])] }
}
