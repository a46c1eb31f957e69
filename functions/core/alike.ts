/** How much two short names look the same, 0 … 1: the share of character pairs in common (Dice's coefficient). */
export function alike(a: string, b: string): number {
  const [first, second] = [a.toLowerCase(), b.toLowerCase()]
  if (first === second) return 1
  if (first.length < 2 || second.length < 2) return 0
  const pairs: string[] = []
  for (let i = 0; i < first.length - 1; i++) pairs.push(first.slice(i, i + 2))
  const total = pairs.length + second.length - 1
  let shared = 0
  for (let i = 0; i < second.length - 1; i++) {
    const at = pairs.indexOf(second.slice(i, i + 2))
    if (at === -1) continue
    pairs.splice(at, 1)
    shared++
  }
  return (2 * shared) / total
}
