/** What has happened at least once over a run. */
export class Coverage {
  readonly counts = new Map<string, number>()

  hit(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
  }

  add(other: Readonly<Record<string, number>>): void {
    for (const [what, count] of Object.entries(other)) this.counts.set(what, (this.counts.get(what) ?? 0) + count)
  }

  count(what: string): number {
    return this.counts.get(what) ?? 0
  }

  toJSON(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.counts].sort(([a], [b]) => (a < b ? -1 : 1)))
  }
}
