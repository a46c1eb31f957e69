import { z } from 'zod'
import { defineTool, type Hands, ToolFailure } from '../define.ts'
import { asEditable } from '../text/excerpt.ts'
import { applyHunks, type FilePatch, parsePatch } from '../text/patch.ts'

export const applyPatch = defineTool({
  name: 'apply_patch',
  category: 'file operations',
  description:
    'Change several files at once. *** Begin Patch / *** Add File: p (lines with +) / *** Delete File: p / *** Update File: p, then @@ and lines with " ", - or + / *** End Patch',
  input: z.object({ patch: z.string() }),
  risk: 'write',
  changes: true,
  repeat: 'from_snapshot',
  timeoutMs: 20_000,
  async run({ patch }, hands) {
    // A patch is applied whole or not at all: it is worked out before anything is written, and what fails after that
    // (a full disk, a file that is not there to be deleted) the runner undoes.
    const changes = await changesOf(parsePatch(patch), hands)
    const plans = await Promise.all(changes.map((change) => plan(change, hands)))
    refuseCollisions(plans)
    for (const { write, remove } of plans) {
      if (write) await hands.write(...write)
      if (remove !== undefined) await hands.remove(remove)
    }
    const output = plans.map(({ line }) => line).join('\n')
    const files = plans.flatMap(({ write, remove }) => [write?.[0], remove]).filter((path) => path !== undefined)
    return { output, data: { files } }
  },
})

type Update = Extract<FilePatch, { kind: 'update' }>
type Change = Exclude<FilePatch, Update> | { kind: 'update'; path: string; updates: Update[] }
type Plan = {
  path: string
  /** The real path of every file that becomes another one by it. */
  claims: Set<string>
  write?: Parameters<Hands['write']>
  remove?: string
  line: string
}

/** Several updates of one file, under whatever spellings, are one change: alone, each would start from the old text. */
async function changesOf(files: FilePatch[], hands: Hands): Promise<Change[]> {
  const changes: Change[] = []
  const updates = new Map<string, Update[]>()
  for (const file of files) {
    if (file.kind !== 'update') {
      changes.push(file)
      continue
    }
    const real = await hands.realPath(file.path)
    const same = updates.get(real)
    if (same) same.push(file)
    else {
      const list = [file]
      updates.set(real, list)
      changes.push({ kind: 'update', path: file.path, updates: list })
    }
  }
  return changes
}

async function plan(change: Change, hands: Hands): Promise<Plan> {
  const { kind, path } = change
  if (kind === 'add') {
    const line = `A ${path} (+${change.text.split('\n').length - 1})`
    return { path, claims: new Set([await vacant(path, hands)]), write: [path, change.text], line }
  }
  const own = await hands.realPath(path, { itself: true })
  if (kind === 'delete') return { path, claims: new Set([own]), remove: path, line: `D ${path}` }

  const real = await hands.realPath(path)
  const { content, counts } = updated(path, await hands.read(path), change.updates)
  const moves = change.updates.flatMap(({ moveTo }) => moveTo ?? [])
  const moveTo = moves.at(-1)
  const to = moveTo === undefined ? real : await hands.realPath(moveTo)
  if (moveTo === undefined || to === real)
    return { path, claims: new Set([real]), write: [path, content], line: `M ${path} ${counts}` }
  if (moves.some((other) => other !== moveTo)) throw twice(path)
  await vacant(moveTo, hands)
  const line = `R ${path} -> ${moveTo} ${counts}`
  return { path, claims: new Set([own, real, to]), write: [moveTo, content, path], remove: path, line }
}

/** The content after all updates, one after the other. What is only moved is not looked into. */
function updated(path: string, bytes: Uint8Array, updates: Update[]): { content: string | Uint8Array; counts: string } {
  if (updates.every(({ hunks }) => hunks.length === 0)) return { content: bytes, counts: '(+0 -0)' }
  let content = asEditable(path, bytes)
  let [added, removed] = [0, 0]
  const loosely = new Set<string>()
  for (const { hunks } of updates) {
    const part = applyHunks(path, content, hunks)
    content = part.text
    added += part.added
    removed += part.removed
    for (const how of part.loosely) loosely.add(how)
  }
  const note = loosely.size > 0 ? `, matched without regard to ${[...loosely].join(' and ')}` : ''
  return { content, counts: `(+${added} -${removed}${note})` }
}

/** The real path of a file that is to be made. @throws ToolFailure `already_exists`. */
async function vacant(path: string, hands: Hands): Promise<string> {
  if ((await hands.kind(path)) !== undefined)
    throw new ToolFailure(
      'already_exists',
      `${path} is there already`,
      'Nothing was changed. Use "*** Update File: " to change it, or delete it first.',
    )
  return hands.realPath(path)
}

/** @throws ToolFailure `invalid_patch` when one file would become two things, or two files one. */
function refuseCollisions(plans: Plan[]): void {
  const taken = new Set<string>()
  for (const { path, claims } of plans)
    for (const claim of claims) {
      if (taken.has(claim)) throw twice(path)
      taken.add(claim)
    }
}

const twice = (path: string) =>
  new ToolFailure(
    'invalid_patch',
    `${path} is in the patch twice, or becomes a file that is`,
    'Nothing was changed. Say once what becomes of a file.',
  )
