/**
 * One abstract state of everything that can matter to one operation: the ledger's record, what the downstream has
 * done, what is still travelling, and what every worker believes. Small integers only, so that a million fit in memory.
 *
 * Numbers that the protocol only compares are kept as relations, never as values: a worker's fence is "mine",
 * "older", "equal but not mine" or "ahead" of the record's; ages are "fresh" or "old". So fences, crashes and
 * retries are unbounded here and the state space is finite all the same.
 */
export type World = readonly number[]

/** Positions of the fields in a {@link World}; the workers follow from {@link FIELD}.workers on. */
export const FIELD = {
  /** Index of the canonical record in the ledger; 0 is absent. */
  record: 0,
  /** Effects that the downstream has made: 0, 1, 2 = more than one. */
  effects: 1,
  /** What the downstream stores under the current downstream key: one of {@link STORED}. */
  stored: 2,
  /** What is left of the window since the record's first send: one of {@link WINDOW}. */
  window: 3,
  /** Generation of that key: 0, or 1 for any later one. */
  generation: 4,
  /** Requests under the current key whose sender is gone. */
  orphans: 5,
  /** The same under an earlier key. */
  oldOrphans: 6,
  /** Answer kept after a store failure: 0 or a packed {@link Worker} with pc `ok` or `no`. */
  spool: 7,
  /** 1 once the store lost records and set the amnesia mark. */
  amnesia: 8,
  /** Index of an earlier record that a replica or a backup still holds; 0 none. */
  backup: 9,
  /** 1 once a fault that may strike once has struck. */
  struck: 10,
  /** 1 while something that the downstream accepted for later may still land. */
  job: 11,
  /** 1 once the downstream acted in a round of the current attempt that it ended with a question. */
  begun: 12,
  workers: 13,
} as const

export const STORED = { nothing: 0, success: 1, refusal: 2 } as const
export const WINDOW = { margin: 1, open: 2 } as const

/** What a worker is about to do. */
export const PC = {
  idle: 0,
  /** Holds a claim, nothing sent. */
  claimed: 1,
  /** Marker durable, not sent. */
  marked: 2,
  /** Sent, listening; perhaps in vain. */
  sent: 3,
  /** A success is in memory. */
  ok: 4,
  /** A refusal is in memory. */
  no: 5,
  /** A question of the downstream is in memory. */
  asked: 6,
  /** Works in a transaction that holds its effect, its marker and its outcome. */
  working: 7,
  /** "Accepted, later" is in memory. */
  accepted: 8,
  verifying: 9,
  /** Recoverer, right after T10. */
  recovering: 10,
  /** Recoverer that has waited out sendGrace + Q + settle. */
  waited: 11,
  /** Composite parent that has recorded its child. */
  adopted: 12,
  /** Its transaction is undone; the claim is still there. */
  undone: 13,
  /** Nobody said whether its transaction committed. */
  unknown: 14,
} as const

/** How an attempt's fence and nonce compare with the record's. */
export const RELATION = { none: 0, own: 1, older: 2, other: 3, ahead: 4 } as const

/** A worker unpacked. */
export interface Worker {
  readonly pc: number
  readonly relation: number
  /** The relation to {@link FIELD}.backup. */
  readonly backup: number
  /** Its monotonic deadline has not passed. */
  readonly guard: boolean
  /** Its downstream key is of an earlier generation. */
  readonly old: boolean
  /** Its request is travelling. */
  readonly travelling: boolean
  /** The record names its process as owner. */
  readonly owner: boolean
}

export const IDLE = 0

/** Packs a worker into 14 bits. */
export const pack = (worker: Worker): number =>
  worker.pc |
  (worker.relation << 4) |
  (worker.backup << 7) |
  ((worker.guard ? 1 : 0) << 10) |
  ((worker.old ? 1 : 0) << 11) |
  ((worker.travelling ? 1 : 0) << 12) |
  ((worker.owner ? 1 : 0) << 13)

const unpackSlow = (packed: number): Worker => ({
  pc: packed & 15,
  relation: (packed >> 4) & 7,
  backup: (packed >> 7) & 7,
  guard: (packed & 1024) !== 0,
  old: (packed & 2048) !== 0,
  travelling: (packed & 4096) !== 0,
  owner: (packed & 8192) !== 0,
})

const unpacked: Worker[] = []

/** The reverse of {@link pack}; shared objects, since there are few. */
export const unpack = (packed: number): Worker => (unpacked[packed] ??= unpackSlow(packed))

/** The state before the first call. */
export function initialWorld(workers: number): World {
  const world = new Array<number>(FIELD.workers + workers).fill(0)
  world[FIELD.window] = WINDOW.open
  return world
}

/** One field of a world. */
export const at = (world: World, field: number): number => world[field] as number

/**
 * A short text that is equal for equal states. Workers are interchangeable, so they are sorted (symmetry reduction).
 */
export function encode(world: World): string {
  const fields = world.slice(0, FIELD.workers)
  const workers = world.slice(FIELD.workers)
  if (workers.length > 1) workers.sort((a, b) => a - b)
  return String.fromCharCode(...fields, ...workers)
}

/** The state that {@link encode} wrote. */
export function decode(text: string): World {
  const world = new Array<number>(text.length)
  for (let i = 0; i < text.length; i++) world[i] = text.charCodeAt(i)
  return world
}
