/** Every bound of the sandbox-runner, unit in the name. */

/** One request over a socket: it brings at once all the layers that travel, of a workspace of a thousand steps. */
export const REQUEST_BYTES_MAX = 256 * 1024 * 1024
/** One request over HTTP, which is what Cloud Run takes. */
export const HTTP_REQUEST_BYTES_MAX = 32 * 1024 * 1024
/** Lambda lets 6 MB (6,291,556 bytes) through each way; a little is left for what is around an answer. */
export const LAMBDA_PAYLOAD_BYTES_MAX = 5_500_000
/** Of a larger one, compressed; in base64 it is a third more. */
export const LAMBDA_PART_BYTES = 4_000_000
export const LARGE_ANSWERS_KEPT = 4
/** A finished answer is kept for whoever was told `running` and comes back. */
export const ANSWER_KEPT_MS = 60_000
/** Of the time that whoever asks will wait this much is for the snapshot and the way back. */
export const ANSWER_MS_RESERVED = 5_000
/** A layer up to this size rides in the answer and is committed with the step; a larger one is stored first. */
export const INLINE_LAYER_BYTES_MAX = 128 * 1024

// What the model sees of one result.
export const OUTPUT_BYTES_HEAD = 8 * 1024
export const OUTPUT_BYTES_TAIL = 12 * 1024
export const OUTPUT_LINE_CHARS_MAX = 1000
/** Of a repo's instructions this much goes to whoever prepares it; the prompt shows less. */
export const INSTRUCTIONS_CHARS_MAX = 64 * 1024
/** Of a line that only shows where something is, or what it looks like. */
export const SHORT_LINE_CHARS_MAX = 300
/** Of a longer output this much is kept in the workspace, to be read in parts: what one file may have, to be read. */
export const OUTPUT_KEPT_BYTES_MAX = 8 * 1024 * 1024
/** A command that prints more than this is ended. */
export const OUTPUT_BYTES_MAX = 1024 * 1024 * 1024

export const READ_LINES_DEFAULT = 800
export const READ_LINES_MAX = 4000
export const READ_BYTES_MAX = 32 * 1024
export const READ_FILES_MAX = 10
/** A file larger than this is neither read whole, edited, searched nor shown in a diff. */
export const TEXT_FILE_BYTES_MAX = 8 * 1024 * 1024
export const WRITE_BYTES_MAX = 4 * 1024 * 1024
export const LIST_LIMIT_DEFAULT = 200
export const LIST_LIMIT_MAX = 2000
export const SEARCH_LIMIT_DEFAULT = 60
export const SEARCH_LIMIT_MAX = 500
export const SEARCH_LINE_CHARS_MAX = 240
export const CODE_LIMIT_DEFAULT = 10
export const CODE_LIMIT_MAX = 100
/** How long a tool waits for the index of its workspace. */
export const CODE_INDEX_MS_MAX = 110_000
export const LOG_LIMIT_DEFAULT = 20
export const LOG_LIMIT_MAX = 200
export const BENCHMARK_RUNS_DEFAULT = 5
export const BENCHMARK_RUNS_MAX = 20

export const COMMAND_SECONDS_DEFAULT = 120
export const COMMAND_SECONDS_MAX = 600

// What one command may use, all its processes together; beyond it the whole tree is ended.
export const COMMAND_CPU_SECONDS_MAX = 3600
/** Of the machine's memory, or of what a container is given of it. */
export const COMMAND_MEMORY_SHARE_MAX = 0.75
export const COMMAND_PROCESSES_MAX = 1000
/** Of the workspace, the home folder and what is temporary; also the size of one file. */
export const COMMAND_DISK_BYTES_MAX = 8 * 1024 * 1024 * 1024
/** A command that writes is ended when less than this part of the disk, or of its files, is left. */
export const DISK_SHARE_LEFT_MIN = 0.03
/** Less than this is not looked at: a command that writes next to nothing is not ended for a disk that others fill. */
export const DISK_BYTES_NOTICED = 64 * 1024 * 1024
export const SHARED_MEMORY_BYTES_MAX = 256 * 1024 * 1024
/** How often it is looked at what a command uses. */
export const WATCH_EVERY_MS = 150
/** How long it may take to find out whether commands can be held in here. */
export const PROBE_MS_MAX = 10_000

export const GIT_MS_MAX = 60_000
export const GIT_OUTPUT_BYTES_MAX = 256 * 1024 * 1024
export const CLONE_MS_MAX = 300_000
export const CLONE_DEPTH = 50
/** The commits of one push, on their way to the carrier. */
export const PACK_BYTES_MAX = 64 * 1024 * 1024
/** Commits of the repo that the commits of one push may stand on. */
export const BOUNDARY_MAX = 20
/** Of a change to CI files this much is shown to whoever decides. */
export const PUSH_DIFF_CHARS_MAX = 16_000
/** Between the polite signal and the last one. */
export const KILL_GRACE_MS = 300
/** How long the pipe of an ended command is drained, when somebody who could not be ended still holds it. */
export const DRAIN_MS_MAX = 2000

/** A workspace: files and bytes beyond which a snapshot is refused instead of being cut. */
export const WORKSPACE_FILES_MAX = 200_000
export const WORKSPACE_FILE_BYTES_MAX = 512 * 1024 * 1024
export const WORKSPACE_BYTES_MAX = 4 * 1024 * 1024 * 1024
/** Files are compressed together in frames of about this size, so that one file can be read without the rest. */
export const LAYER_FRAME_BYTES = 256 * 1024

export const DIFF_BINARY_BYTES_MAX = 1024 * 1024
export const DIFF_EDIT_LINES_MAX = 20_000
/** How long another process may hold a workspace before a request is answered `busy`. */
export const LOCK_WAIT_MS_MAX = 610_000

/** A larger file is not parsed: what is said of it is found line by line. */
export const SYNTAX_BYTES_MAX = 1024 * 1024
export const SYNTAX_MS_MAX = 2000

/** Of a line in the map of a repo. */
export const MAP_LINE_CHARS_MAX = 110
export const OUTLINE_LINES_MAX = 300
export const SYMBOLS_MAX = 20
export const SYMBOL_USES_MAX = 20
/** Files that one call parses, and problems that it shows. */
export const DIAGNOSTIC_FILES_MAX = 200
export const DIAGNOSTICS_MAX = 60
/** After an edit, of one file. */
export const FRESH_PROBLEMS_MAX = 5
/** Rules a repo may add to policy. */
export const REPO_RULES_MAX = 200
/** A restore of a large snapshot is shared among threads; a thread is worth its start from so many files on. */
export const RESTORE_THREADS_MAX = 4
export const RESTORE_FILES_PER_THREAD_MIN = 2000
/** How long one of them may take. */
export const RESTORE_MS_MAX = 600_000

/** One layer, to or from the object store: tries, and all of them together. */
export const TRANSFER_ATTEMPTS_MAX = 5
export const TRANSFER_RETRY_MS_FIRST = 200
export const TRANSFER_MS_MAX = 300_000
/** Layers that a restore fetches at once. */
export const DOWNLOADS_AT_ONCE_MAX = 8
