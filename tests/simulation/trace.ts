/** What happened, a line each. The newest lines are kept for a violation; all of them when a seed is replayed. */
const KEPT = 80

export class Trace {
  readonly lines: string[] = []
  private readonly elapsed: () => number
  private readonly all: boolean

  /** `elapsed`: virtual milliseconds since the start. */
  constructor(elapsed: () => number, all: boolean) {
    this.elapsed = elapsed
    this.all = all
  }

  add(who: string, what: string): void {
    this.lines.push(`${(this.elapsed() / 1000).toFixed(3).padStart(9)} ${who.padEnd(10)} ${what}`)
    if (!this.all && this.lines.length > KEPT * 8) this.lines.splice(0, this.lines.length - KEPT)
  }

  newest(): string[] {
    return this.lines.slice(-KEPT)
  }
}
