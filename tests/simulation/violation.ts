/** What must never be was seen. `invariant` is its short name: I1 to I12, or `liveness`. */
export class Violation extends Error {
  readonly invariant: string
  constructor(invariant: string, message: string) {
    super(message)
    this.invariant = invariant
  }
}
