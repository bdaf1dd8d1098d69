/** Something that can die, pause and sleep; what it was promised arrives only while it lives. */
export interface Life {
  readonly name: string
  alive: boolean
  /** No event of this life runs before this moment. */
  pausedUntil: number
  /** Milliseconds that its machine has slept so far: a monotonic timer does not count them. */
  slept: number
}

interface Event {
  at: number
  order: number
  readonly owner: Life | undefined
  readonly label: string
  readonly run: () => void
  readonly timer: boolean
  slept: number
  cancelled: boolean
}

// Taken before anything is patched: the barrier that every step waits at.
const nextTick = process.nextTick.bind(process)
const microtask = queueMicrotask

/**
 * Virtual time. Events run one by one in the order of their moments, ties in the order of their making; between two of
 * them every microtask has run: a tick that is queued from a microtask runs when no microtask is left.
 */
export class Scheduler {
  now: number
  /** Events run so far. */
  steps = 0
  /** What ended the run before its time. */
  failure: unknown
  /** One line an event, when somebody wants to read it. */
  readonly lines: string[] | undefined
  #hash = 0x811c9dc5
  #order = 0
  readonly #heap: Event[] = []

  constructor(start: number, keepLines: boolean) {
    this.now = start
    this.lines = keepLines ? [] : undefined
  }

  /** Runs `run` after `ms`, if `owner` still lives then. A `timer` stands still while its machine sleeps. */
  after(ms: number, label: string, owner: Life | undefined, run: () => void, timer = false): () => void {
    this.#order += 1
    const at = this.now + Math.max(0, Math.ceil(ms))
    const event = { at, order: this.#order, owner, label, run, timer, slept: owner?.slept ?? 0, cancelled: false }
    this.#push(event)
    return () => {
      event.cancelled = true
    }
  }

  fail(error: unknown): void {
    this.failure ??= error
  }

  /** Two runs with equal fingerprints ran the same events at the same moments. */
  get fingerprint(): number {
    return this.#hash >>> 0
  }

  /** Mixes a fact into the fingerprint, and into the lines. */
  note(text: string, detail?: () => string): void {
    this.#mix(text)
    if (this.lines !== undefined) {
      this.lines.push(`${String(this.now).padStart(8)}      ${text}${detail === undefined ? '' : ` ${detail()}`}`)
    }
  }

  /** Resolves when `done` says so, when nothing is left to do, or at the first failure. */
  run(done: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const step = (): void => {
        if (this.failure !== undefined || done()) return resolve()
        const event = this.#next()
        if (event === undefined) return resolve()
        this.steps += 1
        try {
          event.run()
        } catch (error) {
          this.fail(error)
        }
        microtask(again)
      }
      const again = (): void => nextTick(step)
      microtask(again)
    })
  }

  /** The next event whose owner may act; time is set to its moment. */
  #next(): Event | undefined {
    for (;;) {
      const event = this.#pop()
      if (event === undefined) return undefined
      if (event.cancelled) continue
      const { owner } = event
      if (owner !== undefined) {
        if (!owner.alive) continue
        if (event.timer && owner.slept > event.slept) {
          event.at += owner.slept - event.slept
          event.slept = owner.slept
          this.#push(event)
          continue
        }
        if (owner.pausedUntil > event.at) {
          event.at = owner.pausedUntil
          this.#push(event)
          continue
        }
      }
      this.now = event.at
      this.#mix(event.label)
      this.#hash = Math.imul(this.#hash ^ event.at, 16777619) ^ event.order
      this.lines?.push(`${String(event.at).padStart(8)} ${(owner?.name ?? '').padEnd(4)} ${event.label}`)
      return event
    }
  }

  #mix(text: string): void {
    let hash = this.#hash
    for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 16777619)
    this.#hash = hash
  }

  #push(event: Event): void {
    const heap = this.#heap
    let i = heap.length
    heap.push(event)
    while (i > 0) {
      const up = (i - 1) >> 1
      const above = heap[up] as Event
      if (before(above, event)) break
      heap[i] = above
      i = up
    }
    heap[i] = event
  }

  #pop(): Event | undefined {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (top === undefined || last === undefined || heap.length === 0) return top
    let i = 0
    for (;;) {
      let down = 2 * i + 1
      if (down >= heap.length) break
      if (down + 1 < heap.length && before(heap[down + 1] as Event, heap[down] as Event)) down += 1
      const below = heap[down] as Event
      if (before(last, below)) break
      heap[i] = below
      i = down
    }
    heap[i] = last
    return top
  }
}

const before = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)
