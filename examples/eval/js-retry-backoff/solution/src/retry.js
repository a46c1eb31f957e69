const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Waits `baseMs`, then twice that and so on, at most `maxMs`. `wait` may be replaced in tests. */
export async function retry(
  work,
  { tries = 3, baseMs = 100, maxMs = 30_000, isFinal = () => false, wait = sleep } = {},
) {
  let last
  for (let i = 0; i < tries; i++) {
    if (i > 0) await wait(Math.min(maxMs, baseMs * 2 ** (i - 1)))
    try {
      return await work(i)
    } catch (error) {
      if (isFinal(error)) throw error
      last = error
    }
  }
  throw new Error(`gave up after ${tries} tries`, { cause: last })
}
