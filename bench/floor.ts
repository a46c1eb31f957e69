/** The bare loop: the same model server, the same calls, no agent. What a turn costs that nobody can avoid. */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const [base = '', repo = ''] = process.argv.slice(2)
// The same small environment as Stint's commands get: an inherited one can cost a child 70 ms (NODE_EXTRA_CA_CERTS).
const PATH = (process.env.PATH ?? '')
  .split(':')
  .filter((part) => !part.includes('node_modules/.bin'))
  .join(':')
const clean = { PATH, HOME: process.env.HOME ?? '/', LANG: 'C.UTF-8', CI: '1', NO_COLOR: '1' }

const tools = ['list_files', 'search_text', 'read_file', 'edit_file', 'write_file', 'run_command'].map((name) => ({
  type: 'function',
  function: { name, description: name, parameters: { type: 'object', properties: {} } },
}))
const messages: unknown[] = [{ role: 'user', content: 'Fix the failing test.' }]
for (;;) {
  const response = await fetch(`${base}/openai/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer bench' },
    body: JSON.stringify({ model: 'openai/gpt-oss-120b', messages, tools }),
  })
  const { choices } = (await response.json()) as {
    choices: {
      message: { content: string | null; tool_calls?: { id: string; function: { name: string; arguments: string } }[] }
    }[]
  }
  const message = choices[0]?.message
  if (!message?.tool_calls) break
  messages.push({ role: 'assistant', content: message.content, tool_calls: message.tool_calls })
  for (const call of message.tool_calls)
    messages.push({
      role: 'tool',
      tool_call_id: call.id,
      content:
        (await perform(call.function.name, JSON.parse(call.function.arguments) as Record<string, string>)) ||
        '[nothing]',
    })
}

async function perform(name: string, input: Record<string, string>): Promise<string> {
  const path = join(repo, input.path ?? '.')
  switch (name) {
    case 'read_file':
      return readFileSync(path, 'utf8')
    case 'edit_file':
      writeFileSync(
        path,
        readFileSync(path, 'utf8').replace(input.oldText ?? '', () => input.newText ?? ''),
      )
      return 'edited'
    case 'write_file':
      writeFileSync(path, input.content ?? '')
      return 'written'
    case 'list_files':
      return files().join('\n')
    case 'search_text':
      return files()
        .flatMap((file) =>
          readFileSync(join(repo, file), 'utf8')
            .split('\n')
            .flatMap((line, i) => (line.includes(input.pattern ?? '') ? [`${file}:${i + 1}:${line}`] : [])),
        )
        .join('\n')
    default:
      return shell(input.command ?? '')
  }
}

/** Without an input, as Stint runs commands too: with a pipe there `node --test` takes 80 ms longer. */
function shell(command: string): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn('bash', ['-c', command], { cwd: repo, env: clean, stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (text += part))
    child.once('close', () => resolve(text))
  })
}

function files(): string[] {
  return readdirSync(repo, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('.git'))
    .map((entry) => join(entry.parentPath, entry.name).slice(repo.length + 1))
}
