/**
 * Room for what comes and goes with every call. A Map or a Set makes a new table every so many entries, and V8 keeps a
 * retired table's entries for as long as the table itself; once one has grown old, each keeps the next one alive. So they
 * drag along a good part of all finished calls until the next full collection, and every scavenge has to copy them: with
 * a thousand calls between two scavenges that held up the event loop for 8 ms instead of 2. A slot is emptied and used
 * again.
 */
export interface Slots<T> extends Iterable<T> {
  readonly size: number
  /** The number under which the item is kept until it is taken out; numbers are given out again. */
  add(item: T): number
  get(slot: number): T | undefined
  /** Empties the slot, and tells what was in it. */
  take(slot: number): T | undefined
  clear(): void
}

export function createSlots<T>(): Slots<T> {
  const items: (T | undefined)[] = []
  const free: number[] = []
  return {
    get size() {
      return items.length - free.length
    },
    add(item) {
      const slot = free.pop() ?? items.length
      items[slot] = item
      return slot
    },
    get: (slot) => items[slot],
    take(slot) {
      const item = items[slot]
      if (item === undefined) return undefined
      items[slot] = undefined
      free.push(slot)
      return item
    },
    clear() {
      items.length = 0
      free.length = 0
    },
    *[Symbol.iterator]() {
      for (const item of Array.from(items)) if (item !== undefined) yield item
    },
  }
}

/** {@link Slots} by name, with the methods of a Map: of what is gone only names can stay behind. */
export interface NamedSlots<T> {
  readonly size: number
  get(name: string): T | undefined
  has(name: string): boolean
  set(name: string, item: T): void
  delete(name: string): boolean
  values(): Iterable<T>
  clear(): void
}

export function createNamedSlots<T>(): NamedSlots<T> {
  const slots = createSlots<T>()
  const places = new Map<string, number>()
  function remove(name: string): boolean {
    const slot = places.get(name)
    if (slot === undefined) return false
    places.delete(name)
    slots.take(slot)
    return true
  }
  return {
    get size() {
      return places.size
    },
    get(name) {
      const slot = places.get(name)
      return slot === undefined ? undefined : slots.get(slot)
    },
    has: (name) => places.has(name),
    set(name, item) {
      remove(name)
      places.set(name, slots.add(item))
    },
    delete: remove,
    values: () => slots,
    clear() {
      places.clear()
      slots.clear()
    },
  }
}
