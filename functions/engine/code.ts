/** Code search outside of a run: of a repo, or of a session's workspace at the head of its last run. */
import type { Repo } from '../core/types.ts'
import type { CodeReply, CodeSearch, Ports } from '../ports.ts'
import { wordsFor } from './rewrite.ts'

export type CodePlace = { repo: Repo } | { sessionId: string }
/** `rewrite`: words that the fast model thinks of are searched for too. */
export type CodeRequest = { place: CodePlace; search?: CodeSearch; rewrite?: boolean; waitMs: number }
/** `added`: the words that were searched for beside the query. */
export type CodeAnswer = CodeReply & { added?: string[] }

export async function searchCode(request: CodeRequest, ports: Ports): Promise<CodeAnswer> {
  const { place, search, rewrite } = request
  if (!rewrite || search?.mode !== 'ranked') return searched(request, ports)
  const added = await wordsFor(search.query, 'sessionId' in place ? place.sessionId : undefined, ports)
  if (added.length === 0) return searched(request, ports)
  const query = `${search.query}\n${added.join(' ')}`
  return { ...(await searched({ ...request, search: { ...search, query } }, ports)), added }
}

async function searched({ place, search, waitMs }: CodeRequest, ports: Ports): Promise<CodeReply> {
  const { store, sandbox } = ports
  const asked = { ...(search ? { search } : {}), waitMs }
  if ('repo' in place) return sandbox.code({ place, ...asked })
  const { sessionId } = place
  const session = await store.session(sessionId)
  if (!session) return refuse('session_not_found', `There is no session ${sessionId}.`)
  const last = (await store.runs({ sessionId, limit: 1 })).items[0]
  const head = last?.head ?? session.head
  if (!head) return refuse('workspace_not_ready', `The session ${sessionId} has no files yet.`)
  const { workspaceId } = session
  return sandbox.code({ place: { workspaceId, head, layers: () => store.layers(workspaceId) }, ...asked })
}

const refuse = (code: string, message: string): CodeReply => ({ ok: false, code, message, retry: false })
