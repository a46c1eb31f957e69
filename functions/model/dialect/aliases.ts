/**
 * Names of tools as models know them from other harnesses, and what they are here. gpt-oss was trained on
 * `container.exec`, `repo_browser.*` and `apply_patch` and calls them whatever it is offered (arXiv 2604.00362); others
 * bring the names of Claude Code, Cline, Gemini CLI, Codex, OpenHands. A name that could mean two things is not here.
 */

import { readLoose } from './loose.ts'

type Args = Record<string, unknown>
export type Translated = { tool: string; args: Args }

/** Letters and digits alone: `ReadFile`, `read-file` and `read_file` are one name. */
export const squeezed = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '')

const NAMES: Record<string, string> = {
  run_command:
    'container.exec exec exec_command shell local_shell shell_command shell_exec bash bash_command sh zsh terminal terminal_command run_terminal_cmd run_terminal_command run_in_terminal execute_command execute_bash execute_shell execute_shell_command run_shell run_shell_command run_bash run_bash_command run_cmd cmd command execute run command_line',
  read_file:
    'repo_browser.open_file open_file open view_file view cat read get_file get_file_content get_file_contents read_file_content read_file_contents show_file file_read read_text_file fs_read',
  read_files: 'read_many_files read_multiple_files open_files',
  list_files:
    'repo_browser.print_tree print_tree tree ls list_dir list_directory list_folder list_file directory_tree glob glob_files find_files find_by_name get_directory_structure list_files_in_directory',
  search_text:
    'repo_browser.search search grep grep_search rg ripgrep search_files search_in_files search_file_content find_in_files text_search search_content find_text search_repo search_dir grep_files search_for_pattern',
  search_code: 'codebase_search semantic_search code_search search_codebase',
  write_file:
    'write create_file create new_file write_to_file save_file file_write overwrite_file add_file create_new_file create_or_update_file',
  apply_patch: 'patch apply_diff patch_file',
  delete_file: 'remove_file unlink delete remove rm',
  run_tests: 'run_test test test_runner execute_tests run_all_tests',
  git_diff: 'diff show_diff get_diff',
  git_commit: 'commit',
  update_plan:
    'todo_write write_todos plan set_todo_list todo update_todo_list update_todos manage_todo_list set_plan create_plan todo_list',
  ask_user: 'ask_question ask_followup_question ask ask_human request_user_input ask_user_question',
}
const BY_NAME = new Map(
  Object.entries(NAMES).flatMap(([tool, names]) =>
    names.split(' ').map((name): [string, string] => [squeezed(name), tool]),
  ),
)

const EDITS = new Set(
  'edit str_replace str_replace_editor str_replace_based_edit_tool edit_file replace replace_in_file search_replace search_and_replace modify_file editor text_editor multi_edit edit_file_content'
    .split(' ')
    .map(squeezed),
)
const PYTHONS = new Set('python python3 ipython execute_python run_python code_interpreter'.split(' ').map(squeezed))
/** Programs that models call as if they were tools. */
const PROGRAMS = new Set(
  'git npm npx pnpm yarn node make cargo go pip pytest tsc find sed awk ls cat grep rg head tail wc mkdir mv cp rm sh'.split(
    ' ',
  ),
)

/** The name of another harness in ours, with its arguments; undefined when we know of none. */
export function translate(name: string, args: Args): Translated | undefined {
  const short = squeezed(name)
  const line = commandOf(args.command ?? args.cmd ?? args.args)
  if (PROGRAMS.has(short) && line !== undefined && !('path' in args))
    return { tool: 'run_command', args: { ...without(args, 'command', 'cmd', 'args'), command: prefixed(short, line) } }
  if (PYTHONS.has(short)) return python(args)
  if (EDITS.has(short)) return edit(args)
  const tool = BY_NAME.get(short)
  // A shell is often called for what is a tool of its own; that is looked at when its command is read.
  return tool === undefined ? undefined : { tool, args }
}

export const isAlias = (name: string): boolean => {
  const short = squeezed(name)
  return BY_NAME.has(short) || EDITS.has(short) || PYTHONS.has(short)
}

/** A list of words as a command line: `bash -lc SCRIPT` is its script, other words are quoted where a shell needs it. */
export function commandOf(value: unknown): string | undefined {
  if (typeof value === 'string') {
    const list = /^\s*\[\s*["']/.test(value) ? readLoose(value) : undefined
    return list?.ok && value.slice(list.end).trim() === '' ? commandOf(list.value) : value
  }
  if (!Array.isArray(value) || value.length === 0 || !value.every((word) => typeof word === 'string')) return undefined
  const [program = '', flag = '', script] = value as string[]
  if (value.length === 3 && /(^|\/)(ba|z|da)?sh$/.test(program) && /^-[a-z]*c$/.test(flag)) return script
  // Whole lines, of which nobody says how they belong together.
  if (value.length > 1 && /\s/.test(program)) return undefined
  // One string that already is a whole line.
  if (value.length === 1) return program
  return (value as string[])
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ')
}

/** `apply_patch` written as a command is the tool of that name: no such program is installed. */
export function patchIn(command: string): string | undefined {
  const heredoc = /^\s*apply_patch\s*<<-?\s*(['"]?)(\w+)\1\s*\n([\s\S]*?\*\*\* End Patch)\s*\n\s*\2\s*$/.exec(
    command,
  )?.[3]
  const quoted = /^\s*apply_patch\s+(["'])(\*\*\* Begin Patch\n[\s\S]*\*\*\* End Patch\s*)\1\s*$/.exec(command)?.[2]
  const patch = heredoc ?? quoted
  return patch?.trimStart().startsWith('*** Begin Patch') ? patch : undefined
}

const without = (args: Args, ...keys: string[]): Args =>
  Object.fromEntries(Object.entries(args).filter(([key]) => !keys.includes(key)))

const prefixed = (program: string, line: string): string =>
  line === program || line.startsWith(`${program} `) ? line : `${program} ${line}`

function python(args: Args): Translated | undefined {
  const { code, script, source, input } = args
  const text = [code, script, source, input].find((value) => typeof value === 'string') as string | undefined
  if (text === undefined) return undefined
  let mark = 'PY'
  while (text.includes(mark)) mark += '_'
  return { tool: 'run_command', args: { command: `python3 - <<'${mark}'\n${text.replace(/\n$/, '')}\n${mark}` } }
}

/** The editors of other harnesses: one tool with a verb, a replacement, or a patch under the name of an edit. */
function edit(args: Args): Translated | undefined {
  const { command, view_range: range, diff, ...rest } = args
  const fields = without(rest, 'undo_edit')
  switch (command) {
    case 'view':
      return { tool: 'read_file', args: { path: rest.path, ...(Array.isArray(range) ? { view_range: range } : {}) } }
    case 'create':
      return { tool: 'write_file', args: { path: rest.path, content: rest.file_text ?? rest.content } }
    case 'str_replace':
      return {
        tool: 'edit_file',
        args: { ...fields, ...('new_str' in rest || 'newText' in rest ? {} : { newText: '' }) },
      }
    case undefined:
      break
    default:
      return undefined
  }
  const patch = [diff, rest.patch, rest.input].find((value) => typeof value === 'string') as string | undefined
  if (patch?.includes('*** Begin Patch')) return { tool: 'apply_patch', args: { patch } }
  const blocks = patch ? [...patch.matchAll(SEARCH_REPLACE)] : []
  if (blocks.length > 1) return undefined
  if (blocks[0]) return { tool: 'edit_file', args: { ...rest, oldText: blocks[0][1], newText: blocks[0][2] } }
  if (Array.isArray(rest.edits) && rest.edits.length === 1)
    return { tool: 'edit_file', args: { ...without(rest, 'edits'), ...(rest.edits[0] as Args) } }
  return { tool: 'edit_file', args: rest }
}

/** Cline's blocks. */
const SEARCH_REPLACE = /^[<-]{5,9} SEARCH>?\n([\s\S]*?)\n?={5,9}\n([\s\S]*?)\n?[>+]{5,9} REPLACE>?$/gm
