import type { decide } from '../../src/engine/machine.ts'

export type Decide = typeof decide

/**
 * Faults of the engine around the state machine, one switch each. All off is the protocol as it should be.
 * The explorer, the random walk and (by name) the Promela model understand the same switches.
 */
export interface Faults {
  /** Sends although its deadline has passed. */
  readonly ignoreDeadline: boolean
  /** Sends with a claim but without the marker. */
  readonly sendUnmarked: boolean
  /** Deletes the record when the tool throws or times out. */
  readonly deleteOnThrow: boolean
  /** A time-to-live deletes records whose lease is over. */
  readonly timeToLive: boolean
  /** The store loses an acknowledged record and nobody notices. */
  readonly silentLoss: boolean
  /** Records in doubt are purged. */
  readonly purgeDoubts: boolean
  /** The contract's version is part of the key. */
  readonly versionInKey: boolean
  /** The probe's "absent" is believed without waiting. */
  readonly probeAtOnce: boolean
  /** The probe is asked first and its answer used after the wait. */
  readonly probeBeforeWait: boolean
  /** A person may say "not done" without waiting. */
  readonly personAtOnce: boolean
  /** The window is checked, then something is awaited, then the request is sent. */
  readonly windowBeforeAwait: boolean
  /** Callers are told from a replica. */
  readonly staleReads: boolean
  /** Writes do not compare the revision. */
  readonly blindWrites: boolean
  /** The tool runs although the store is down. */
  readonly failOpen: boolean
  /** A re-created record starts at fence 1. */
  readonly fenceRestarts: boolean
  /** Waiters are told before the commit. */
  readonly tellsFirst: boolean
  /** A lost acknowledgement of the commit is a conflict, and a conflict runs again. */
  readonly lostAckReruns: boolean
  /** A spooled refusal is replayed as if it were the record's own. */
  readonly spoolForcesRefusal: boolean
  /** The amnesia mark is not looked at. */
  readonly amnesiaIgnored: boolean
  /** Keyed tools may send under the amnesia mark while the window is open. */
  readonly keyedBeyondAmnesia: boolean
  /** An unchecked owner is taken for dead. */
  readonly ownerAssumedDead: boolean
  /** The re-apply goes out without its precondition. */
  readonly unconditional: boolean
  /** A transactional tool's effect is committed first, its record by a step of its own. */
  readonly recordApart: boolean
  /** A transaction commits though its claim was taken over meanwhile. */
  readonly blindCommit: boolean
  /** A question stands, and is answered, though the downstream may have forgotten the key. */
  readonly questionOutlivesKey: boolean
}

export const NO_FAULTS: Faults = {
  ignoreDeadline: false,
  sendUnmarked: false,
  deleteOnThrow: false,
  timeToLive: false,
  silentLoss: false,
  purgeDoubts: false,
  versionInKey: false,
  probeAtOnce: false,
  probeBeforeWait: false,
  personAtOnce: false,
  windowBeforeAwait: false,
  staleReads: false,
  blindWrites: false,
  failOpen: false,
  fenceRestarts: false,
  tellsFirst: false,
  lostAckReruns: false,
  spoolForcesRefusal: false,
  amnesiaIgnored: false,
  keyedBeyondAmnesia: false,
  ownerAssumedDead: false,
  unconditional: false,
  recordApart: false,
  blindCommit: false,
  questionOutlivesKey: false,
}
