const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** `wait` may be replaced in tests. */
export async function retry(work, { tries = 3, baseMs = 100, wait = sleep } = {}) {
  for (let i = 0; i < tries; i++) {
    try {
      return await work(i)
    } catch {
      await wait(baseMs)
    }
  }
  throw new Error('failed')
}
