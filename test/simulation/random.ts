/** Numbers that a seed decides (mulberry32). Everything that varies in a schedule is drawn from one of these. */
export class Random {
  #state: number

  constructor(seed: number) {
    // Both halves of a 53-bit seed count, and neighbouring seeds begin far apart.
    const low = Math.imul((seed >>> 0) ^ 0x9e3779b9, 0x85ebca6b)
    const high = Math.imul(Math.floor(seed / 2 ** 32) ^ 0x165667b1, 0xc2b2ae35)
    this.#state = (low ^ (low >>> 15) ^ high) | 0
  }

  /** At least 0, below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }

  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1))
  }

  chance(probability: number): boolean {
    return probability > 0 && this.next() < probability
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.next() * from.length)] as T
  }

  /** One of the names, each as often as its weight says. */
  weighted<Name extends string>(weights: Readonly<Record<Name, number>>): Name {
    const names = Object.keys(weights) as Name[]
    let left = this.next() * names.reduce((sum, name) => sum + weights[name], 0)
    for (const name of names) {
      left -= weights[name]
      if (left < 0) return name
    }
    return names[0] as Name
  }

  /** Milliseconds with a heavy tail: mostly 1 to 4, sometimes a long while, never above `longest`. */
  latency(longest: number): number {
    const u = this.next()
    if (u < 0.8) return 1 + Math.floor(this.next() * 4)
    if (u < 0.97) return 1 + Math.floor(this.next() * Math.min(40, longest))
    return 1 + Math.floor(this.next() * longest)
  }

  /** Where the sequence stands: two runs that drew the same numbers stand at the same place. */
  get state(): number {
    return this.#state >>> 0
  }
}
