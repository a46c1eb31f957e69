/** How the terminal looks: colours only where they are wanted, one live line at the bottom, plain lines in a pipe. */

const wantsColour = (): boolean => !process.env.NO_COLOR && (process.stdout.isTTY || Boolean(process.env.FORCE_COLOR))
const paint = (code: string) => (text: string) => (wantsColour() ? `\u001b[${code}m${text}\u001b[0m` : text)
export const bold = paint('1')
export const dim = paint('2')
export const red = paint('31')
export const green = paint('32')
export const yellow = paint('33')
export const cyan = paint('36')

/** How to leave when whoever read our output has gone: 0 for a list that was cut, 3 in the middle of a run. */
export const onBrokenPipe = { code: 0 }

/** Lines that stay, above one line that is drawn again and again. In a pipe there is no such line. */
export class Screen {
  private drawn = false
  private timer: NodeJS.Timeout | undefined
  private readonly live = Boolean(process.stdout.isTTY) && process.env.TERM !== 'dumb'
  private frame = 0
  private describe: () => string = () => ''

  /** `describe` is asked for the live line ten times a second. */
  begin(describe: () => string): void {
    this.describe = describe
    if (!this.live) return
    this.timer = setInterval(() => this.draw(), 100)
    this.timer.unref()
  }

  print(text = ''): void {
    this.erase()
    process.stdout.write(`${text}\n`)
    this.draw()
  }

  end(): void {
    clearInterval(this.timer)
    this.timer = undefined
    this.erase()
  }

  /** The live line makes way while `work` has the terminal, and comes back after it. */
  async aside<T>(work: () => Promise<T>): Promise<T> {
    const running = this.timer !== undefined
    this.end()
    try {
      return await work()
    } finally {
      if (running) this.begin(this.describe)
    }
  }

  private draw(): void {
    if (!this.live || !this.timer) return
    this.erase()
    const spinner = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'[this.frame++ % 10]
    process.stdout.write(
      dim(fitting(`${spinner} ${this.describe()}`, Math.max(20, (process.stdout.columns ?? 80) - 1))),
    )
    this.drawn = true
  }

  private erase(): void {
    if (this.drawn) process.stdout.write('\r\u001b[2K')
    this.drawn = false
  }
}

/** As much of a line as fits into so many columns; East Asian letters and pictures take two. */
function fitting(text: string, columns: number): string {
  let width = 0
  let shown = ''
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    const wide =
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Extended_Pictographic}/u.test(
        segment,
      )
    width += wide ? 2 : 1
    if (width > columns) return shown
    shown += segment
  }
  return shown
}

export const dollars = (amount: number): string => `$${amount < 0.01 ? amount.toFixed(5) : amount.toFixed(3)}`
export const seconds = (ms: number): string =>
  ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`
export const clock = (ms: number): string =>
  `${String(Math.floor(ms / 60_000)).padStart(2, '0')}:${String(Math.floor(ms / 1000) % 60).padStart(2, '0')}`
export const thousands = (count: number): string =>
  count < 1000 ? String(count) : `${(count / 1000).toFixed(count < 10_000 ? 1 : 0)}k`

/** One line of anything: control characters out, cut to fit. Text from a repo or a model never moves the cursor. */
export const oneLine = (text: string, max = 100): string => {
  const line = text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim()
  return line.length <= max ? line : `${line.slice(0, max - 1)}…`
}

/** Several lines of anything, safe to print. */
export const safe = (text: string): string => text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '')

export const colourDiff = (diff: string): string =>
  safe(diff)
    .split('\n')
    .map((line) => {
      if (/^(\+\+\+|---|diff |new file|deleted file)/.test(line)) return bold(line)
      return line.startsWith('+')
        ? green(line)
        : line.startsWith('-')
          ? red(line)
          : line.startsWith('@@')
            ? cyan(line)
            : line
    })
    .join('\n')
