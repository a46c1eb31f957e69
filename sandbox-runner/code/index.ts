/**
 * The files of one tree, searchable: a large segment, a small one with what changed since, and which files of them are
 * still there. Files and chunks are numbered through both.
 */
import { CODE, type Segment, type SymbolAt, TEST } from './segment.ts'

export type Place = { path: string; start: number; end: number; symbols: SymbolAt[] }

type Part = { segment: Segment; firstFile: number; firstChunk: number }

export class CodeIndex {
  private readonly parts: Part[] = []
  private readonly live: Uint8Array
  private readonly numbers = new Map<string, number>()
  readonly fileCount: number
  readonly liveFiles: number
  readonly liveChunks: number
  /** In terms. */
  readonly meanLength: number

  /** `wanted`: the path and blob of every file of the tree; what a segment holds beside these is passed over. */
  constructor(segments: readonly Segment[], wanted: ReadonlyMap<string, string>) {
    let [files, chunks] = [0, 0]
    for (const segment of segments) {
      this.parts.push({ segment, firstFile: files, firstChunk: chunks })
      files += segment.files
      chunks += segment.chunks
    }
    this.fileCount = files
    this.live = new Uint8Array(files)
    let [length, liveChunks] = [0, 0]
    for (const { segment, firstFile } of this.parts)
      segment.parts.paths.forEach((path, local) => {
        if (wanted.get(path) !== segment.parts.blobs[local]) return
        const file = firstFile + local
        this.live[file] = 1
        length += segment.parts.lengths[local] as number
        liveChunks += (segment.parts.firstChunk[local + 1] as number) - (segment.parts.firstChunk[local] as number)
        this.numbers.set(path, file)
      })
    this.liveFiles = this.numbers.size
    this.liveChunks = liveChunks
    this.meanLength = length / Math.max(1, this.liveFiles)
  }

  /** Every live chunk that has the term, with its packed counts. */
  scan(term: string, visit: (file: number, chunk: number, counts: number) => void): void {
    for (const { segment, firstFile, firstChunk } of this.parts) {
      const { fileOf } = segment.parts
      for (const posting of segment.lookUp(term)) {
        const chunk = posting >>> 8
        const file = firstFile + (fileOf[chunk] as number)
        if (this.live[file] === 1) visit(file, firstChunk + chunk, posting & 255)
      }
    }
  }

  /** Every live file with the term in its path; `named`: in its own name. */
  scanPaths(term: string, visit: (file: number, named: boolean) => void): void {
    for (const { segment, firstFile } of this.parts)
      for (const packed of segment.lookUpPath(term)) {
        const file = firstFile + (packed >>> 1)
        if (this.live[file] === 1) visit(file, (packed & 1) === 1)
      }
  }

  filesWithPath(term: string): number {
    let count = 0
    this.scanPaths(term, () => count++)
    return count
  }

  /** The live chunks that define this very name. */
  defining(name: string): number[] {
    return this.liveOf((segment) => segment.defining(name))
  }

  /** Every name that something defines or defined, once each. */
  names(): string[] {
    const kinds = new Set<string>()
    for (const { segment } of this.parts) for (const name of segment.definedNames()) kinds.add(name)
    return [...kinds].sort()
  }

  /** The live chunks that define one of the names that match; every name is looked at. */
  definingAny(match: (name: string) => boolean): number[] {
    return this.liveOf((segment) => segment.definingAny(match))
  }

  private liveOf(chunksIn: (segment: Segment) => number[]): number[] {
    return this.parts.flatMap(({ segment, firstFile, firstChunk }) =>
      chunksIn(segment)
        .filter((chunk) => this.live[firstFile + (segment.parts.fileOf[chunk] as number)] === 1)
        .map((chunk) => firstChunk + chunk),
    )
  }

  placeOf(chunk: number): Place {
    const { segment, firstChunk } = this.partOfChunk(chunk)
    const local = chunk - firstChunk
    const { parts } = segment
    return {
      path: parts.paths[parts.fileOf[local] as number] as string,
      start: parts.starts[local] as number,
      end: parts.ends[local] as number,
      symbols: segment.symbolsOf(local),
    }
  }

  fileOfChunk(chunk: number): number {
    const { segment, firstFile, firstChunk } = this.partOfChunk(chunk)
    return firstFile + (segment.parts.fileOf[chunk - firstChunk] as number)
  }

  /** The chunks of a file: from the first to before the second. */
  chunksOf(file: number): [from: number, to: number] {
    const { segment, firstFile, firstChunk } = this.partOf(file)
    const row = segment.parts.firstChunk
    return [firstChunk + (row[file - firstFile] as number), firstChunk + (row[file - firstFile + 1] as number)]
  }

  pathOf(file: number): string {
    const { segment, firstFile } = this.partOf(file)
    return segment.parts.paths[file - firstFile] as string
  }

  lengthOf(file: number): number {
    const { segment, firstFile } = this.partOf(file)
    return segment.parts.lengths[file - firstFile] as number
  }

  nearness(file: number, wanted: Float32Array): number {
    const { segment, firstFile } = this.partOf(file)
    return segment.nearness(file - firstFile, wanted)
  }

  isLive(file: number): boolean {
    return this.live[file] === 1
  }

  numberOf(path: string): number | undefined {
    return this.numbers.get(path)
  }

  isTest(file: number): boolean {
    return (this.kindOf(file) & TEST) !== 0
  }

  /** False for documentation and configuration. */
  isCode(file: number): boolean {
    return (this.kindOf(file) & CODE) !== 0
  }

  private kindOf(file: number): number {
    const { segment, firstFile } = this.partOf(file)
    return segment.parts.kinds[file - firstFile] as number
  }

  private partOf(file: number): Part {
    return this.parts.findLast(({ firstFile }) => file >= firstFile) as Part
  }

  private partOfChunk(chunk: number): Part {
    return this.parts.findLast(({ firstChunk }) => chunk >= firstChunk) as Part
  }
}
