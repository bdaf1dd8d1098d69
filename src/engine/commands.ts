import type { Descriptor, DoubtReason, StoredError, StoredOutcome } from './record.ts'
import type { AmnesiaMark } from './store.ts'

/** Who acts: the process (and the attempt it runs), or a person. Recorded with every step. */
interface Actor {
  readonly who: string
  readonly why?: string
}

/** Names one attempt. Guards compare both. */
export interface Attempt {
  readonly fence: number
  readonly nonce: string
}

export interface Claim extends Actor {
  readonly type: 'claim'
  readonly nonce: string
  readonly leaseMs: number
  readonly descriptor: Descriptor
  readonly input: string
  /** T1': claim and marker in one write, for a tool without a `prepare` phase. */
  readonly mark: boolean
  /** Set while the store is known to have lost records. */
  readonly amnesia?: AmnesiaMark
  /** True when this operation cannot have been recorded before the loss, or its downstream still deduplicates. */
  readonly beyondAmnesia?: boolean
}

/** How an attempt ended that did nothing. */
interface Refused {
  /** How long a caller may take to answer the question that stands, where a later round was refused. */
  readonly questionMs?: number
}

interface Returned {
  /** True when the attempt's own code has returned, and that of every earlier one: none of them starts a further send. */
  readonly ended?: boolean
}

export type Command =
  | Claim
  | (Actor & Attempt & { readonly type: 'mark'; readonly leaseMs: number; readonly input: string })
  | (Actor &
      Attempt & {
        readonly type: 'withdraw'
        /** True when the claim was made on a store that had lost records, unknown to its owner: T0 instead of T3. */
        readonly forgotten?: boolean
      })
  | (Actor & Attempt & { readonly type: 'commit'; readonly outcome: StoredOutcome })
  | (Actor & Attempt & Refused & Returned & { readonly type: 'reject'; readonly error: StoredError })
  | (Actor & Attempt & Refused & Returned & { readonly type: 'unsent' })
  | (Actor &
      Returned & {
        readonly type: 'doubt'
        readonly fence: number
        readonly reason: DoubtReason
        readonly evidence?: string
      })
  | (Actor & { readonly type: 'lapse' })
  | (Actor & { readonly type: 'recover'; readonly nonce: string; readonly leaseMs: number; readonly backoffMs: number })
  | (Actor &
      Attempt & {
        readonly type: 'resend'
        readonly leaseMs: number
        /** The sends of the contract all pass a checkpoint. */
        readonly checked: boolean
        /** Keyed: window and safety margin. */
        readonly window?: { readonly windowMs: number; readonly marginMs: number }
        /** Idempotent: the precondition was asked and holds. */
        readonly preconditionHolds?: boolean
        /** Of the program that sends, where it is longer than the default. */
        readonly quarantineMs?: number | undefined
      })
  | (Actor & Attempt & { readonly type: 'found'; readonly outcome: StoredOutcome })
  | (Actor &
      Attempt & {
        readonly type: 'absent'
        /**
         * Waited on the recoverer's own boot clock: since T10, and where sends are not checked since the owner was
         * found dead, whichever is later, as such an owner may send until it dies.
         */
        readonly waitedMs: number
        /** sendGrace + Q + settle. */
        readonly requiredMs: number
        readonly ownerDead: boolean
      })
  | (Actor &
      Attempt & {
        readonly type: 'give-up'
        readonly reason: DoubtReason
        readonly evidence?: string
      })
  | (Actor & {
      readonly type: 'resolve'
      readonly verdict: 'committed' | 'released' | 'abandoned'
      readonly note: string
      readonly quarantineMs: number
      readonly outcome?: StoredOutcome
      /** Of the record that the person looked at. */
      readonly generation?: number
    })
  | (Actor & { readonly type: 'note-evidence'; readonly what: string })
  | (Actor &
      Attempt &
      Returned & {
        readonly type: 'ask'
        /** The round that was answered with the question, by the hash of its answers; none for the first. */
        readonly round?: string
        /** How long the caller may take to answer. @default what is left of the lease */
        readonly leaseMs?: number
      })
  | (Actor &
      Attempt & {
        readonly type: 'resume'
        readonly leaseMs: number
        /** The round that is about to be sent. */
        readonly round?: string
        /** Of the program that sends, where it is longer than the default. */
        readonly quarantineMs?: number | undefined
      })
  | (Actor & Attempt & { readonly type: 'accept'; readonly outcome: StoredOutcome; readonly leaseMs: number })
  | (Actor & { readonly type: 'verify'; readonly nonce: string; readonly leaseMs: number })
  | (Actor & Attempt & { readonly type: 'verified'; readonly happened: boolean })
  | (Actor & { readonly type: 'compensate'; readonly nonce: string; readonly leaseMs: number })
  | (Actor & { readonly type: 'compensated' })
  | (Actor & Attempt & { readonly type: 'heartbeat'; readonly leaseMs: number })
  | (Actor & Attempt & { readonly type: 'adopt'; readonly ordinal: number; readonly child: string })
  | (Actor & { readonly type: 'deliver' })
  | (Actor & { readonly type: 'expire' })
  | (Actor & {
      readonly type: 'supersede'
      readonly by: string
      /** A key whose marker is replaced too. */
      readonly over?: string | undefined
      readonly descriptor: Descriptor
    })
  /** Lets a key be claimed again that was taken over by the key `by`. */
  | (Actor & { readonly type: 'give-back'; readonly by: string })

/** Why a command changed nothing. */
export type Refusal =
  /** The record is in a state this command does not act on. */
  | 'state'
  /** Another attempt owns the record. */
  | 'fence'
  /** Still owned, or not yet due. */
  | 'lease'
  /** An earlier send may still land. */
  | 'open-sends'
  /** The class does not allow it. */
  | 'class'
  /** The downstream no longer honours the key. */
  | 'window'
  /** Not waited long enough. */
  | 'quarantine'
  /** The precondition does not hold. */
  | 'precondition'
  /** The first owner is not proven dead and its sends are not checked. */
  | 'owner'
  /** What was recorded differs from what is now wanted. */
  | 'diverged'
  /** Already so; nothing to do. */
  | 'already'
