/** All tools of the sandbox. A new one is one file under `tools/` and one line here. */
import type { SandboxTool } from './define.ts'
import { applyPatch } from './tools/apply_patch.ts'
import { deleteFile } from './tools/delete_file.ts'
import { diagnostics } from './tools/diagnostics.ts'
import { editFile } from './tools/edit_file.ts'
import { findSymbol } from './tools/find_symbol.ts'
import { gitCommit } from './tools/git_commit.ts'
import { gitDiff } from './tools/git_diff.ts'
import { gitLog } from './tools/git_log.ts'
import { gitStatus } from './tools/git_status.ts'
import { listFiles } from './tools/list_files.ts'
import { outline } from './tools/outline.ts'
import { readFile } from './tools/read_file.ts'
import { readFiles } from './tools/read_files.ts'
import { runBenchmark } from './tools/run_benchmark.ts'
import { runCommand } from './tools/run_command.ts'
import { runTests } from './tools/run_tests.ts'
import { searchCode } from './tools/search_code.ts'
import { searchText } from './tools/search_text.ts'
import { writeFile } from './tools/write_file.ts'

export type { Category, Risk, SandboxTool, ToolDefinition } from './define.ts'

export const SANDBOX_TOOLS: readonly SandboxTool[] = [
  readFile,
  readFiles,
  listFiles,
  searchText,
  searchCode,
  outline,
  findSymbol,
  editFile,
  writeFile,
  applyPatch,
  deleteFile,
  runCommand,
  runTests,
  runBenchmark,
  diagnostics,
  gitStatus,
  gitDiff,
  gitLog,
  gitCommit,
]
