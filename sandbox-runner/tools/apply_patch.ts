import { z } from 'zod'
import { defineTool, type Hands, ToolFailure } from '../define.ts'
import { asText } from '../text/excerpt.ts'
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
    // Everything is worked out before anything is written: a patch is applied whole or not at all.
    const plans = await Promise.all(merged(parsePatch(patch)).map((file) => plan(file, hands)))
    for (const { write, remove } of plans) {
      for (const [path, text] of write) await hands.write(path, text)
      for (const path of remove) await hands.remove(path)
    }
    const output = plans.map(({ line }) => line).join('\n')
    return {
      output,
      data: { files: plans.flatMap(({ write, remove }) => [...write.map(([path]) => path), ...remove]) },
    }
  },
})

type Plan = { write: [path: string, text: string][]; remove: string[]; line: string }

async function plan(file: FilePatch, hands: Hands): Promise<Plan> {
  const { path } = file
  if (file.kind === 'add') {
    if ((await hands.kind(path)) !== undefined)
      throw new ToolFailure(
        'already_exists',
        `${path} is there already`,
        'Nothing was changed. Use "*** Update File: ", or delete it first.',
      )
    return { write: [[path, file.text]], remove: [], line: `A ${path} (+${file.text.split('\n').length - 1})` }
  }
  const bytes = await hands.read(path)
  if (file.kind === 'delete') return { write: [], remove: [path], line: `D ${path}` }
  const { text, added, removed, loosely } = applyHunks(path, asText(path, bytes), file.hunks)
  const note = loosely.length > 0 ? `, matched without regard to ${loosely.join(' and ')}` : ''
  const { moveTo } = file
  if (moveTo !== undefined && moveTo !== path) {
    if ((await hands.kind(moveTo)) !== undefined)
      throw new ToolFailure('already_exists', `${moveTo} is there already`, 'Nothing was changed.')
    return { write: [[moveTo, text]], remove: [path], line: `R ${path} -> ${moveTo} (+${added} -${removed}${note})` }
  }
  return { write: [[path, text]], remove: [], line: `M ${path} (+${added} -${removed}${note})` }
}

/** Several updates of one file in one patch are one update: each would start from the same old text otherwise. */
function merged(files: FilePatch[]): FilePatch[] {
  const out: FilePatch[] = []
  for (const file of files) {
    const same = out.find((other) => other.path === file.path)
    if (same?.kind === 'update' && file.kind === 'update') same.hunks.push(...file.hunks)
    else if (same)
      throw new ToolFailure(
        'invalid_patch',
        `${file.path} is in the patch twice`,
        'Nothing was changed. Say once what becomes of a file.',
      )
    else out.push(file)
  }
  return out
}
