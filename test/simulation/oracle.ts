/** A promise that was broken: which one, and how. */
export class Violation extends Error {
  override readonly name = 'Violation'
  /** `I1` to `I15`, or the name of another oracle. */
  readonly oracle: string

  constructor(oracle: string, message: string) {
    super(`${oracle}: ${message}`)
    this.oracle = oracle
  }
}

/** @throws Violation unless `holds` */
export function demand(holds: boolean, oracle: string, message: () => string): void {
  if (!holds) throw new Violation(oracle, message())
}
