import { formatCents } from './money.js'

/** Price of one line in cents, after its discount. */
export function lineTotal({ priceCents, quantity, percentOff = 0 }) {
  return Math.floor(priceCents * quantity * (1 - percentOff / 100))
}

/** Sum of all lines in cents. */
export function total(lines) {
  return lines.reduce((sum, line) => sum + lineTotal(line), 0)
}

export function receipt(lines) {
  const rows = lines.map((line) => `${line.name} x${line.quantity}  ${formatCents(lineTotal(line))}`)
  return [...rows, `Total  ${formatCents(total(lines))}`].join('\n')
}
