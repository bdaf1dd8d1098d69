import type { Attempt, Command } from '../../src/engine/commands.ts'
import type { OperationRecord } from '../../src/engine/record.ts'
import type { Decide, Faults } from './faults.ts'

/**
 * One seeded fault of the protocol. Production is never edited: `decide` wraps the state machine, `faults` switches
 * the engine around it. The explorer, the walk and the simulation of the real engine take these same objects.
 */
export interface Mutant {
  readonly name: string
  /** The fault in one sentence. */
  readonly says: string
  /** The configuration of setup.ts in which it shows. */
  readonly setup: string
  readonly faults?: Partial<Faults>
  readonly decide?: (inner: Decide) => Decide
  /** Another defence that would mask this one and is switched off too, so that each is tested alone. */
  readonly off?: string
  /** Invariants that belong to the defence which is off. */
  readonly ignore?: readonly string[]
  /** `-DMUT_…` of model/onefold.pml and its class, where the independent model knows the fault. */
  readonly spin?: { readonly mutation: string; readonly class: string }
}

const onCommand =
  (change: (record: OperationRecord, command: Command) => Command): ((inner: Decide) => Decide) =>
  (inner) =>
  (key, record, command, now) =>
    inner(key, record, record === undefined ? command : change(record, command), now)

/** Lets the machine see another record than there is; the history still tells where it came from. */
const onRecord =
  (
    change: (record: OperationRecord, command: Command, now: number) => Partial<OperationRecord> | undefined,
  ): ((inner: Decide) => Decide) =>
  (inner) =>
  (key, record, command, now) => {
    const seen = record === undefined ? undefined : change(record, command, now)
    if (record === undefined || seen === undefined) return inner(key, record, command, now)
    const decision = inner(key, { ...record, ...seen }, command, now)
    return decision.ok ? { ...decision, event: { ...decision.event, from: record.state } } : decision
  }

const named = (command: Command): command is Command & Attempt => 'nonce' in command && 'fence' in command
const refuses = (command: Command): boolean => command.type === 'reject' || command.type === 'unsent'

const noNonce = onCommand((record, command) => (named(command) ? { ...command, nonce: record.nonce } : command))
const noAttempt = onCommand((record, command) =>
  'fence' in command
    ? ({ ...command, fence: record.fence, ...('nonce' in command ? { nonce: record.nonce } : {}) } as Command)
    : command,
)

/** After `decide`, the stored `openSends` is something else. */
const openSendsAfter =
  (count: (record: OperationRecord, transition: string, next: number) => number): ((inner: Decide) => Decide) =>
  (inner) =>
  (key, record, command, now) => {
    const decision = inner(key, record, command, now)
    if (!decision.ok || decision.draft === undefined || record === undefined) return decision
    const openSends = count(record, decision.transition, decision.draft.openSends)
    return { ...decision, draft: { ...decision.draft, openSends }, event: { ...decision.event, openSends } }
  }

/** After `decide`, a record has been through no round of questions. */
const roundForgotten = onRecord((record, command) => (refuses(command) && record.round > 0 ? { round: 0 } : undefined))

const RUNNING = ['executing', 'in-doubt', 'recovering', 'abandoned']

/** Every seeded fault, for all layers. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: 're-execute on lease expiry',
    says: 'a lapsed lease lets the next caller run again',
    setup: 'manual',
    decide: onRecord((record, command, now) =>
      command.type === 'claim' && record.state === 'executing' && record.leaseUntil <= now
        ? { state: 'released', openSends: 0 }
        : undefined,
    ),
    spin: { mutation: 'REEXECUTE', class: 'MANUAL' },
  },
  {
    name: 'delete on throw',
    says: 'a tool that throws or times out leaves no record',
    setup: 'manual',
    faults: { deleteOnThrow: true },
    spin: { mutation: 'DELETE_ON_THROW', class: 'MANUAL' },
  },
  {
    name: 'no fence check',
    says: 'guards do not compare the fence',
    setup: 'manual',
    decide: noAttempt,
    off: 'the nonce, which alone would tell attempts apart',
    ignore: ['I6'],
    spin: { mutation: 'NO_FENCE', class: 'MANUAL' },
  },
  {
    name: 'no nonce check',
    says: 'guards compare the fence only',
    setup: 'manual',
    decide: noNonce,
    faults: { fenceRestarts: true },
    off: 'the store-wide sequence, which never gives a fence twice',
    ignore: ['I6'],
    spin: { mutation: 'NO_NONCE', class: 'MANUAL' },
  },
  {
    name: 'fence restarts after deletion',
    says: 'a deleted record starts again at fence 1',
    setup: 'manual',
    faults: { fenceRestarts: true },
    spin: { mutation: 'FENCE_RESTARTS', class: 'MANUAL' },
  },
  {
    name: 'no marker before the send',
    says: 'the request goes out while the record says claimed',
    setup: 'manual',
    faults: { sendUnmarked: true },
    spin: { mutation: 'NO_MARKER', class: 'MANUAL' },
  },
  {
    name: 'time-to-live deletes a claim',
    says: 'the store expires records that are not final',
    setup: 'manual',
    faults: { timeToLive: true },
    spin: { mutation: 'TIME_TO_LIVE', class: 'MANUAL' },
  },
  {
    name: 'fail-over loses a record',
    says: 'an acknowledged record is gone and nobody knows',
    setup: 'manual',
    faults: { silentLoss: true },
    spin: { mutation: 'SILENT_LOSS', class: 'MANUAL' },
  },
  {
    name: 'amnesia mark ignored',
    says: 'after a known loss, absent still counts as evidence',
    setup: 'manual, records lost',
    faults: { amnesiaIgnored: true },
    spin: { mutation: 'AMNESIA_IGNORED', class: 'MANUAL' },
  },
  {
    name: 'keyed sends under the amnesia mark',
    says: 'an open window is taken as leave to send, though the key’s generation was lost with the record',
    setup: 'keyed, records lost',
    faults: { keyedBeyondAmnesia: true },
    ignore: ['I8'],
    spin: { mutation: 'KEYED_BEYOND_AMNESIA', class: 'KEYED' },
  },
  {
    name: 'no quarantine (probe)',
    says: 'the probe’s "absent" is believed at once',
    setup: 'probe',
    faults: { probeAtOnce: true },
    spin: { mutation: 'PROBE_AT_ONCE', class: 'PROBE' },
  },
  {
    name: 'probe before the wait',
    says: 'the probe is asked, then the quarantine is waited, then the old answer is used',
    setup: 'probe',
    faults: { probeBeforeWait: true },
    spin: { mutation: 'PROBE_BEFORE_WAIT', class: 'PROBE' },
  },
  {
    name: 'no quarantine (person)',
    says: 'a person may say "not done" while a request still travels',
    setup: 'manual',
    faults: { personAtOnce: true },
    spin: { mutation: 'PERSON_AT_ONCE', class: 'MANUAL' },
  },
  {
    name: 'no deadline guard',
    says: 'an attempt that slept past its deadline sends all the same',
    setup: 'probe',
    faults: { ignoreDeadline: true },
    spin: { mutation: 'IGNORE_DEADLINE', class: 'PROBE' },
  },
  {
    name: 'window check before an await',
    says: 'the window is checked, then something is awaited, then the request goes out',
    setup: 'keyed',
    faults: { windowBeforeAwait: true },
    spin: { mutation: 'WINDOW_BEFORE_AWAIT', class: 'KEYED' },
  },
  {
    name: 'no window guard',
    says: 'a keyed re-send does not look at the window',
    setup: 'keyed',
    faults: { windowBeforeAwait: true },
    off: 'the deadline of the re-send, which the window sets too',
    decide: onCommand((_record, command) =>
      command.type === 'resend' ? { ...command, window: { windowMs: Number.MAX_SAFE_INTEGER, marginMs: 0 } } : command,
    ),
    spin: { mutation: 'NO_WINDOW', class: 'KEYED' },
  },
  {
    name: 'a late refusal is trusted',
    says: 'a refusal closes the operation although an earlier send is open',
    setup: 'keyed',
    decide: onRecord((record, command) => (refuses(command) && record.openSends > 1 ? { openSends: 1 } : undefined)),
    spin: { mutation: 'TRUST_REFUSAL', class: 'KEYED' },
  },
  {
    name: 'openSends never reset',
    says: 'a sound release leaves the open sends as they were',
    setup: 'probe',
    decide: openSendsAfter((record, transition, next) =>
      transition === 'T12' || transition === 'T16' ? record.openSends : next,
    ),
    spin: { mutation: 'OPEN_SENDS_KEPT', class: 'PROBE' },
  },
  {
    name: 'openSends reset by a re-send',
    says: 'T13 forgets the send before it',
    setup: 'keyed',
    decide: openSendsAfter((_record, transition, next) => (transition === 'T13' ? 1 : next)),
    spin: { mutation: 'OPEN_SENDS_FORGOTTEN', class: 'KEYED' },
  },
  {
    name: 'reads from a replica',
    says: 'callers are told what a lagging replica says',
    setup: 'manual',
    faults: { staleReads: true },
    spin: { mutation: 'STALE_READS', class: 'MANUAL' },
  },
  {
    name: 'compare-and-set without revision',
    says: 'a decision on an old reading overwrites what is there',
    setup: 'manual',
    faults: { blindWrites: true },
    ignore: ['I13'],
    spin: { mutation: 'BLIND_WRITES', class: 'MANUAL' },
  },
  {
    name: 'fail-open for manual',
    says: 'the tool runs although the ledger cannot be reached',
    setup: 'manual',
    faults: { failOpen: true },
    spin: { mutation: 'FAIL_OPEN', class: 'MANUAL' },
  },
  {
    name: 'version in the key',
    says: 'a new contract version looks under another key',
    setup: 'keyed',
    faults: { versionInKey: true },
    ignore: ['I8'],
    spin: { mutation: 'VERSION_IN_KEY', class: 'KEYED' },
  },
  {
    name: 'purge of doubts',
    says: 'records in doubt are deleted to tidy up',
    setup: 'manual',
    faults: { purgeDoubts: true },
    spin: { mutation: 'PURGE_DOUBTS', class: 'MANUAL' },
  },
  {
    name: 'waiters told before the commit',
    says: 'success is told inside the transaction, which then rolls back',
    setup: 'transactional',
    faults: { tellsFirst: true },
    spin: { mutation: 'TELLS_FIRST', class: 'TRANSACTIONAL' },
  },
  {
    name: 'commit overwrites committed',
    says: 'a second success replaces the recorded outcome',
    setup: 'keyed',
    decide: onRecord((record, command) =>
      command.type === 'commit' && record.state === 'committed' ? { state: 'executing' } : undefined,
    ),
    spin: { mutation: 'OVERWRITES', class: 'KEYED' },
  },
  {
    name: 'refusal crosses fences',
    says: 'the refusal of an older attempt closes the newer one',
    setup: 'keyed',
    decide: onCommand((record, command) =>
      refuses(command) && named(command) ? { ...command, fence: record.fence, nonce: record.nonce } : command,
    ),
    ignore: ['I6'],
    spin: { mutation: 'REFUSAL_CROSSES', class: 'KEYED' },
  },
  {
    name: 'released while the owner lives',
    says: 'the probe’s "absent" counts though an unchecked owner may still send',
    setup: 'probe, unchecked sends',
    decide: onCommand((_record, command) => (command.type === 'absent' ? { ...command, ownerDead: true } : command)),
    faults: { ownerAssumedDead: true },
    spin: { mutation: 'OWNER_ASSUMED_DEAD', class: 'PROBE' },
  },
  {
    name: 'lost acknowledgement runs again',
    says: 'a commit whose answer was lost looks like a conflict, and a conflict runs again',
    setup: 'manual',
    faults: { lostAckReruns: true },
    spin: { mutation: 'LOST_ACK_RERUNS', class: 'MANUAL' },
  },
  {
    name: 'claimed again with open sends',
    says: 'T18 takes a doubtful or abandoned record although its sends are open',
    setup: 'manual',
    decide: onRecord((record, command, now) =>
      command.type === 'claim' && RUNNING.includes(record.state) && record.openSends > 0 && record.leaseUntil <= now
        ? { state: 'rejected', openSends: 0 }
        : undefined,
    ),
    spin: { mutation: 'CLAIMS_OPEN_SENDS', class: 'MANUAL' },
  },
  {
    name: 'spool replays a failure',
    says: 'a spooled refusal is replayed as if the record were still its own',
    setup: 'keyed',
    faults: { spoolForcesRefusal: true },
    spin: { mutation: 'SPOOL_FORCES', class: 'KEYED' },
  },
  {
    name: 'a refused later round forgets the earlier send',
    says: 'a refusal in a later round closes the operation, though an earlier round may have acted before it asked',
    setup: 'manual',
    decide: roundForgotten,
  },
  {
    name: 'a question outlives the key',
    says: 'a later round goes out under a key that the downstream may have forgotten',
    setup: 'keyed',
    faults: { questionOutlivesKey: true },
  },
  {
    name: 'record apart from the effect’s transaction',
    says: 'a transactional tool’s effect is committed first, its record by a step of its own',
    setup: 'transactional',
    faults: { recordApart: true },
  },
  {
    name: 'a transaction commits over a takeover',
    says: 'the claim is not compared when effect and record are committed',
    setup: 'transactional',
    faults: { blindCommit: true },
  },
  {
    name: 're-apply without precondition',
    says: 'an idempotent tool is applied again unconditionally',
    setup: 'idempotent',
    faults: { unconditional: true },
    spin: { mutation: 'UNCONDITIONAL', class: 'IDEMPOTENT' },
  },
]
