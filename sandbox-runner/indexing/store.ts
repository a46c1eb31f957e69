/**
 * What indexing has found out, kept on this machine in one SQLite file: the analysis of each content by its hash, the
 * packed segment and the commits of each repo. All of it is a cache: it can be made again from the files, so a file
 * that is damaged, or of another version of the analysis, is begun anew. Killed at any moment, it holds whole batches.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { deserialize, serialize } from 'node:v8'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import type { Analysis } from '../code/analyse.ts'
import type { Commit } from '../code/history.ts'
import type { SegmentParts } from '../code/segment.ts'

/** Counted up whenever the same content would be analysed or packed otherwise. */
const VERSION = 3
const SEGMENTS_KEPT = 40

/** `keys`: all hashes by which the content is known. No analysis: there is nothing in it to be searched. */
export type Analysed = { keys: string[]; analysis: Analysis | undefined }
/** `hashes`: of each file of the segment, by which its source knows the content. */
export type StoredSegment = { parts: SegmentParts; hashes: string[] }
export type StoredHistory = { head: string; commits: Commit[] }

export class CodeStore {
  private readonly db: DatabaseSync
  private readonly idOf: StatementSync
  private readonly analysisOf: StatementSync

  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    this.db = opened(path)
    this.idOf = this.db.prepare('SELECT id FROM contents WHERE key = ?')
    this.analysisOf = this.db.prepare('SELECT packed FROM analyses WHERE id = ?')
  }

  /** 0: known to hold nothing. Undefined: never seen. */
  id(key: string): number | undefined {
    return this.idOf.get(key)?.id as number | undefined
  }

  /** Keeps a batch, all or none; answers the id of each. */
  add(batch: readonly Analysed[]): number[] {
    const insert = this.db.prepare('INSERT INTO analyses (packed) VALUES (?)')
    const name = this.db.prepare('INSERT OR REPLACE INTO contents (key, id) VALUES (?, ?)')
    return this.whole(() =>
      batch.map(({ keys, analysis }) => {
        const known = keys.map((key) => this.id(key)).find((id) => id !== undefined)
        const id = known ?? (analysis ? Number(insert.run(packed(analysis)).lastInsertRowid) : 0)
        for (const key of keys) name.run(key, id)
        return id
      }),
    )
  }

  /** The same content under another hash. */
  alias(key: string, id: number): void {
    this.db.prepare('INSERT OR REPLACE INTO contents (key, id) VALUES (?, ?)').run(key, id)
  }

  analysis(id: number): Analysis | undefined {
    return unpacked<Analysis>(this.analysisOf.get(id)?.packed)
  }

  segment(place: string): StoredSegment | undefined {
    const row = this.db.prepare('SELECT packed FROM segments WHERE place = ?').get(place)
    return row ? (deserialize(row.packed as Uint8Array) as StoredSegment) : undefined
  }

  keepSegment(place: string, segment: StoredSegment): void {
    const keep = this.db.prepare('INSERT OR REPLACE INTO segments (place, at, packed) VALUES (?, ?, ?)')
    this.whole(() => {
      keep.run(place, Date.now(), serialize(segment))
      this.db
        .prepare('DELETE FROM segments WHERE place NOT IN (SELECT place FROM segments ORDER BY at DESC LIMIT ?)')
        .run(SEGMENTS_KEPT)
    })
  }

  history(place: string): StoredHistory | undefined {
    return unpacked<StoredHistory>(this.db.prepare('SELECT packed FROM histories WHERE place = ?').get(place)?.packed)
  }

  keepHistory(place: string, history: StoredHistory): void {
    this.db.prepare('INSERT OR REPLACE INTO histories (place, packed) VALUES (?, ?)').run(place, packed(history))
  }

  close(): void {
    this.db.close()
  }

  private whole<T>(work: () => T): T {
    this.db.exec('BEGIN IMMEDIATE')
    try {
      const done = work()
      this.db.exec('COMMIT')
      return done
    } catch (error) {
      this.db.exec('ROLLBACK')
      throw error
    }
  }
}

const packed = (value: object): Uint8Array => zstdCompressSync(serialize(value))
const unpacked = <T>(bytes: unknown): T | undefined =>
  bytes === undefined ? undefined : (deserialize(zstdDecompressSync(bytes as Uint8Array)) as T)

const SCHEMA = `
  -- Which analysis a content has, by its hash and the family of its language; 0 where there is none.
  CREATE TABLE contents (key TEXT PRIMARY KEY, id INTEGER NOT NULL) WITHOUT ROWID;
  -- What is in a content, without its text: chunks, symbols, terms.
  CREATE TABLE analyses (id INTEGER PRIMARY KEY AUTOINCREMENT, packed BLOB NOT NULL);
  -- The packed index of a repo as it was when most of it was last read.
  CREATE TABLE segments (place TEXT PRIMARY KEY, at INTEGER NOT NULL, packed BLOB NOT NULL);
  -- The last commits of a repo, newest first.
  CREATE TABLE histories (place TEXT PRIMARY KEY, packed BLOB NOT NULL);
`

function opened(path: string): DatabaseSync {
  try {
    return atVersion(path)
  } catch {
    for (const end of ['', '-wal', '-shm']) rmSync(path + end, { force: true })
    return atVersion(path)
  }
}

function atVersion(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: 10_000 })
  try {
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE')
    const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number }
    if (version !== VERSION) {
      for (const table of ['contents', 'analyses', 'segments', 'histories']) db.exec(`DROP TABLE IF EXISTS ${table}`)
      db.exec(`${SCHEMA}; PRAGMA user_version = ${VERSION}`)
    }
    db.exec('COMMIT')
    return db
  } catch (error) {
    db.close()
    throw error
  }
}
