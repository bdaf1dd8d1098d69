import type { Attempt, Claim, Command } from './commands.ts'
import { assertEdge, type Transition } from './edges.ts'
import { expire } from './expire.ts'
import { freshDraft } from './fresh-draft.ts'
import {
  evidenceOfRound,
  keyKnownUntil,
  OPEN_STATES,
  quarantineEnd,
  quarantineOf,
  wasGivenBack,
  wasSent,
  type Descriptor,
  type OperationRecord,
  type State,
} from './record.ts'
import { eventOf, move, refuse, withEvidence, type Change, type Decision } from './step.ts'

export type { Decision } from './step.ts'

const owns = (record: OperationRecord, attempt: Attempt): boolean =>
  record.fence === attempt.fence && record.nonce === attempt.nonce

const FORGOTTEN = { leaseMs: 0, doubtAt: 'now', reason: 'amnesia' } as const

const CLOSED = { leaseMs: 0, openSends: 0, reason: undefined } as const

/**
 * The whole protocol as one pure function: what `command` does to `record` at store time `now`.
 * The caller writes the draft under compare-and-set on `record.revision`, so every guard holds in the store's atomic step.
 * @throws InvariantViolation when the machine itself is about to break the protocol.
 */
export function decide(key: string, record: OperationRecord | undefined, command: Command, now: number): Decision {
  if (record === undefined) {
    if (command.type === 'claim') return claimAbsent(key, command)
    if (command.type === 'supersede') {
      const fresh = freshDraft(key, { ...command, nonce: command.by, input: undefined, leaseMs: 0 }, 'superseded')
      assertEdge('superseded', 'absent', 'superseded')
      return {
        ok: true,
        transition: 'superseded',
        draft: fresh,
        event: eventOf('superseded', 'absent', 'superseded', command, fresh),
      }
    }
    return refuse('state')
  }
  switch (command.type) {
    case 'claim':
      return claimAgain(record, command, now)
    case 'mark': {
      if (record.state !== 'claimed') return refuse('state')
      if (!owns(record, command)) return refuse('fence')
      return move(record, 'T2', 'executing', command, {
        openSends: record.openSends + 1,
        attempts: record.attempts + 1,
        firstSendAt: record.firstSendAt === 0 ? 'now' : record.firstSendAt,
        leaseMs: command.leaseMs,
        input: command.input,
      })
    }
    case 'withdraw': {
      if (record.state !== 'claimed') return refuse('state')
      if (!owns(record, command)) return refuse('fence')
      // Released would say that nothing had happened; under a mark that the claim did not know of, nobody can say so.
      if (command.forgotten === true) return move(record, 'T0', 'in-doubt', command, { ...FORGOTTEN })
      return move(record, 'T3', 'released', command, CLOSED)
    }
    case 'commit':
      return commit(record, command, now)
    case 'reject':
    case 'unsent':
      return refused(record, command, now)
    case 'doubt':
      return doubt(record, command, now)
    case 'lapse':
      return lapse(record, command, now)
    case 'recover': {
      if (record.state !== 'in-doubt') return refuse('state')
      if (record.recovery === 'manual' || record.recovery === 'transactional') return refuse('class')
      if (now < record.updatedAt + command.backoffMs) return refuse('lease')
      return move(record, 'T10', 'recovering', command, {
        fence: record.fence + 1,
        nonce: command.nonce,
        recoveries: record.recoveries + 1,
        leaseMs: command.leaseMs,
      })
    }
    case 'resend':
      return resend(record, command, now)
    case 'found': {
      if (record.state !== 'recovering') return refuse('state')
      if (!owns(record, command)) return refuse('fence')
      return move(record, 'T11', 'committed', command, { ...CLOSED, outcome: command.outcome })
    }
    case 'absent': {
      if (record.state !== 'recovering') return refuse('state')
      if (!owns(record, command)) return refuse('fence')
      if (command.waitedMs < command.requiredMs) return refuse('quarantine')
      // Only the last owner is named: after a re-send (T13) an earlier unchecked one may still live.
      if (!record.checked && (!command.ownerDead || record.openSends > 1)) return refuse('owner')
      return move(record, 'T12', 'released', command, CLOSED)
    }
    case 'give-up': {
      if (record.state !== 'recovering') return refuse('state')
      if (!owns(record, command)) return refuse('fence')
      // Since when it is in doubt stays: a recoverer sends nothing before T13, and a person's quarantine (T16) would never
      // be over where recovery asks in vain more often than that.
      return move(record, 'T14', 'in-doubt', command, {
        leaseMs: 0,
        reason: command.reason,
        evidence: withEvidence(record, now, command, command.evidence),
      })
    }
    case 'resolve': {
      if (record.state !== 'in-doubt') return refuse('state')
      // Other arguments may have been sent since, and nobody has looked for those.
      if (command.generation !== undefined && command.generation !== record.generation) return refuse('fence')
      if (command.verdict === 'released' && now < quarantineEnd(record, command.quarantineMs))
        return refuse('quarantine')
      const closedBy = { who: command.who, note: command.note }
      const evidence = withEvidence(record, now, command, `${command.verdict}: ${command.note}`)
      return command.verdict === 'committed'
        ? move(record, 'T16', 'committed', command, {
            ...CLOSED,
            closedBy,
            evidence,
            // One that had been accepted has an answer already, and its callers have been told it.
            outcome: command.outcome ?? record.outcome,
          })
        : move(record, 'T16', command.verdict, command, {
            closedBy,
            evidence,
            leaseMs: 0,
            ...(command.verdict === 'released' ? { openSends: 0, reason: undefined } : {}),
          })
    }
    case 'note-evidence': {
      if (record.state !== 'in-doubt' && record.state !== 'rejected' && record.state !== 'expired')
        return refuse('state')
      return move(record, 'evidence', record.state, command, {
        evidence: withEvidence(record, now, command, command.what),
      })
    }
    case 'ask': {
      if (record.state !== 'executing') return refuse('state')
      if (!owns(record, command)) return refuse('fence')
      // The question says nothing about an earlier send, which may still act while a person thinks.
      if (record.openSends !== 1)
        return openSendsDoubt(record, command, now, `attempt ${command.fence} was asked a question`)
      return move(record, 'T19', 'awaiting-input', command, {
        round: record.round + 1,
        ...leaseOf(command.leaseMs),
        ...(command.round === undefined
          ? {}
          : { evidence: withEvidence(record, now, command, evidenceOfRound(command.round)) }),
      })
    }
    case 'resume': {
      if (record.state !== 'awaiting-input') return refuse('state')
      if (!owns(record, command)) return refuse('fence')
      // Told apart by what their caller answered: a round that came to a question is never sent again.
      if (wasSent(record, command.round)) return refuse('already')
      return move(record, 'T19', 'executing', command, { leaseMs: command.leaseMs, ...sentBy(record, command) })
    }
    case 'accept': {
      if (record.state !== 'executing') return refuse('state')
      if (!owns(record, command)) return refuse('fence')
      return move(record, 'T20', 'accepted', command, { outcome: command.outcome, leaseMs: command.leaseMs })
    }
    case 'verify': {
      if (record.state !== 'accepted') return refuse('state')
      if (now < record.leaseUntil) return refuse('lease')
      return move(record, 'T20', 'accepted', command, {
        fence: record.fence + 1,
        nonce: command.nonce,
        leaseMs: command.leaseMs,
      })
    }
    case 'verified': {
      if (record.state !== 'accepted') return refuse('state')
      if (!owns(record, command)) return refuse('fence')
      return command.happened
        ? move(record, 'T20', 'committed', command, CLOSED)
        : move(record, 'T20', 'in-doubt', command, { leaseMs: 0, doubtAt: 'now', reason: 'verification-failed' })
    }
    case 'compensate': {
      if (record.state !== 'committed') return refuse('state')
      return move(record, 'T21', 'compensating', command, { nonce: command.nonce, leaseMs: command.leaseMs })
    }
    case 'compensated': {
      if (record.state !== 'compensating') return refuse('state')
      return move(record, 'T21', 'compensated', command, { leaseMs: 0 })
    }
    case 'heartbeat': {
      if (!HEARTBEAT_STATES.includes(record.state)) return refuse('state')
      if (!owns(record, command)) return refuse('fence')
      return move(record, 'heartbeat', record.state, command, { leaseMs: command.leaseMs })
    }
    case 'adopt': {
      if (record.state !== 'executing') return refuse('state')
      if (!owns(record, command)) return refuse('fence')
      const recorded = record.children[command.ordinal]
      // Empty is the place of a part that was called before, and recorded after, a later one.
      if (recorded !== undefined && recorded !== '') return refuse(recorded === command.child ? 'already' : 'diverged')
      const children = [...record.children]
      children[command.ordinal] = command.child
      return move(record, 'adopted', 'executing', command, { children: Array.from(children, (child) => child ?? '') })
    }
    case 'deliver': {
      if (record.delivered) return refuse('already')
      if (OPEN_STATES.includes(record.state) && record.state !== 'in-doubt') return refuse('state')
      if (record.state === 'expired' || record.state === 'superseded') return refuse('state')
      return move(record, 'delivered', record.state, command, { delivered: true })
    }
    case 'expire':
      return expire(record, command, now)
    case 'supersede':
      if (record.state === 'superseded' ? record.nonce !== command.over : !cameToNothing(record.state))
        return refuse('state')
      // It never runs again, and nothing ever expires it: what is personal goes now.
      return move(record, 'superseded', 'superseded', command, {
        nonce: command.by,
        leaseMs: 0,
        input: undefined,
        error: undefined,
      })
    case 'give-back':
      if (record.state !== 'superseded') return refuse('state')
      if (record.nonce !== command.by) return refuse('fence')
      // Nothing ever happened under a marker.
      return move(record, 'superseded', 'released', command, { ...CLOSED, attempts: 0 })
  }
}

const cameToNothing = (state: State): boolean => state === 'released' || state === 'rejected'

const HEARTBEAT_STATES: readonly State[] = [
  'claimed',
  'executing',
  'recovering',
  'accepted',
  'awaiting-input',
  'compensating',
]

function claimAbsent(key: string, command: Claim): Decision {
  const amnesia = command.amnesia !== undefined && command.beyondAmnesia !== true
  const to: State = amnesia ? 'in-doubt' : command.mark ? 'executing' : 'claimed'
  const transition: Transition = amnesia ? 'T0' : command.mark ? "T1'" : 'T1'
  assertEdge(transition, 'absent', to)
  const draft = freshDraft(key, command, to)
  return { ok: true, transition, draft, event: eventOf(transition, 'absent', to, command, draft) }
}

/**
 * Under the amnesia mark a record last written before it may be an older one than was acknowledged (I15). So may one that
 * was written within a lease after it: by an engine that had not heard of the loss, and took "claimed" for evidence. A
 * key that was given back says no more than an absent record.
 */
const isForgotten = (record: OperationRecord, command: Claim): boolean =>
  command.amnesia !== undefined &&
  command.beyondAmnesia !== true &&
  (wasGivenBack(record) || record.updatedAt <= command.amnesia.at + command.leaseMs)

function claimAgain(record: OperationRecord, command: Claim, now: number): Decision {
  const again = cameToNothing(record.state)
  if ((again || (record.state === 'claimed' && now >= record.leaseUntil)) && isForgotten(record, command)) {
    const { createdAt: _since, fence: _old, ...forgotten } = freshDraft(record.key, command, 'in-doubt')
    return move(record, 'T0', 'in-doubt', command, {
      ...forgotten,
      fence: record.fence + 1,
      generation: record.generation,
      attempts: record.attempts,
      evidence: withEvidence(record, now, command, `the record was ${record.state} before the store lost records`),
    })
  }
  if (record.state === 'claimed') {
    if (now < record.leaseUntil) return refuse('lease')
    return move(record, 'T4', 'claimed', command, {
      // First: a descriptor that is a whole record (the sweeper's) must not bring the old owner's fence and nonce along.
      ...command.descriptor,
      fence: record.fence + 1,
      nonce: command.nonce,
      owner: command.who,
      leaseMs: command.leaseMs,
    })
  }
  if (record.state !== 'released' && record.state !== 'rejected') return refuse('state')
  if (record.openSends !== 0) return refuse('open-sends')
  const to: State = command.mark ? 'executing' : 'claimed'
  const { fence: _fence, createdAt: _created, ...fresh } = freshDraft(record.key, command, to)
  return move(record, command.mark ? "T1'" : 'T18', to, command, {
    ...fresh,
    fence: record.fence + 1,
    generation: record.generation + 1,
    attempts: record.attempts + fresh.attempts,
  })
}

function commit(record: OperationRecord, command: Command & { type: 'commit' }, now: number): Decision {
  const { state } = record
  const change = { ...CLOSED, outcome: command.outcome }
  if (owns(record, command)) {
    if (state === 'executing' || state === 'awaiting-input') return move(record, 'T5', 'committed', command, change)
    if (state === 'in-doubt') return move(record, 'T9', 'committed', command, change)
  }
  if (state === 'committed') return refuse('already')
  // Success is evidence, whoever owns the record by now: it alone may cross fences (T15).
  const open = OPEN_STATES.includes(state) && state !== 'compensating'
  if (!open && state !== 'released' && state !== 'rejected' && state !== 'abandoned') return refuse('state')
  if (command.fence > record.fence) return refuse('fence')
  const evidence = withEvidence(record, now, command, `success of attempt ${command.fence}`)
  const alarm = open ? undefined : `success evidence for an operation that was ${state}`
  return move(record, 'T15', 'committed', command, { ...change, error: undefined, evidence }, alarm)
}

/** Undefined keeps the lease that is. */
const leaseOf = (leaseMs: number | undefined): Change => (leaseMs === undefined ? {} : { leaseMs })

/** T8: what this attempt was told settles nothing while an earlier send is open. */
const openSendsDoubt = (
  record: OperationRecord,
  command: Command & { type: 'ask' | 'reject' | 'unsent' },
  now: number,
  told: string,
): Decision =>
  move(record, 'T8', 'in-doubt', command, {
    leaseMs: 0,
    doubtAt: 'now',
    reason: 'open-sends',
    checked: record.checked || command.ended === true,
    evidence: withEvidence(record, now, command, `${told}, an earlier send is open`),
  })

function refused(record: OperationRecord, command: Command & { type: 'reject' | 'unsent' }, now: number): Decision {
  const { state } = record
  if (state !== 'executing' && state !== 'in-doubt') return refuse('state')
  if (!owns(record, command)) return refuse('fence')
  // An earlier send may still land, and an earlier round may have acted before it asked: this refusal proves nothing
  // about either.
  if (record.openSends !== 1 || record.round > 0) {
    if (state === 'in-doubt') return refuse('open-sends')
    if (record.openSends !== 1) return openSendsDoubt(record, command, now, `attempt ${command.fence} was refused`)
    // A later round did nothing: the question before it stands.
    return move(record, 'T19', 'awaiting-input', command, leaseOf(command.questionMs))
  }
  if (command.type === 'reject') {
    return move(record, state === 'executing' ? 'T6' : 'T9', 'rejected', command, { ...CLOSED, error: command.error })
  }
  return move(record, state === 'executing' ? 'T7' : 'T9', 'released', command, CLOSED)
}

function doubt(record: OperationRecord, command: Command & { type: 'doubt' }, now: number): Decision {
  if (record.state !== 'executing' && record.state !== 'awaiting-input') return refuse('state')
  if (record.fence !== command.fence) return refuse('fence')
  return move(record, 'T8', 'in-doubt', command, {
    leaseMs: 0,
    doubtAt: 'now',
    reason: command.reason,
    checked: record.checked || command.ended === true,
    evidence: withEvidence(record, now, command, command.evidence),
  })
}

/** A lapsed lease is doubt, never permission. */
function lapse(record: OperationRecord, command: Command, now: number): Decision {
  if (now < record.leaseUntil) return refuse('lease')
  if (record.state === 'executing' || record.state === 'awaiting-input')
    return move(record, 'T8', 'in-doubt', command, { leaseMs: 0, doubtAt: 'now', reason: 'lease-over' })
  if (record.state === 'recovering')
    return move(record, 'T14', 'in-doubt', command, { leaseMs: 0, reason: record.reason ?? 'lease-over' })
  return refuse('state')
}

function resend(record: OperationRecord, command: Command & { type: 'resend' }, now: number): Decision {
  if (record.state !== 'recovering') return refuse('state')
  if (!owns(record, command)) return refuse('fence')
  if (record.recovery === 'keyed') {
    const window = command.window
    if (window === undefined || now > keyKnownUntil(record, window)) return refuse('window')
  } else if (record.recovery === 'idempotent') {
    if (command.preconditionHolds !== true) return refuse('precondition')
  } else if (record.recovery !== 'composite') {
    return refuse('class')
  }
  return move(record, 'T13', 'executing', command, {
    openSends: record.openSends + 1,
    attempts: record.attempts + 1,
    owner: command.who,
    // That the code of the earlier ones has returned says nothing about this one's.
    checked: record.checked && command.checked,
    leaseMs: command.leaseMs,
    ...sentBy(record, command),
  })
}

/** What another program sends may land for as long as that one says. */
const sentBy = (record: OperationRecord, { quarantineMs }: Pick<Descriptor, 'quarantineMs'>): Change =>
  quarantineMs === undefined ? {} : { quarantineMs: quarantineOf(record, quarantineMs) }
