/** Calls `work` once nothing was asked for `ms` milliseconds. `cancel()` drops a waiting call, `flush()` performs it now. */
export function debounce(work, ms) {
  let timer
  let waiting
  let result
  const perform = () => {
    const call = waiting
    clearTimeout(timer)
    waiting = undefined
    if (call) result = work.apply(call.owner, call.args)
    return result
  }
  const later = function (...args) {
    clearTimeout(timer)
    waiting = { owner: this, args }
    timer = setTimeout(perform, ms)
  }
  later.cancel = () => {
    clearTimeout(timer)
    waiting = undefined
  }
  later.flush = perform
  return later
}
