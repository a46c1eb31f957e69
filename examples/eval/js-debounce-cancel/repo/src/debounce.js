/** Calls `work` once nothing was asked for `ms` milliseconds. */
export function debounce(work, ms) {
  let timer
  return function (...args) {
    clearTimeout(timer)
    timer = setTimeout(() => work.apply(this, args), ms)
  }
}
