import type { Command } from '../../src/engine/commands.ts'
import {
  attempt,
  descriptorOf,
  FIRST_OUTCOME,
  LATER_OUTCOME,
  LEASE,
  MARGIN_MS,
  MARKED_AT,
  QUARANTINE,
  REQUIRED_MS,
  WINDOW_MS,
} from './ledger.ts'
import type { Setup } from './setup.ts'
import { RELATION } from './world.ts'

const who = 'host/boot/1/1'
const outcomeOf = (relation: number) => (relation === RELATION.own ? FIRST_OUTCOME : LATER_OUTCOME)

/** The commands that workers give, by attempt. Names are the memo's keys, so they tell all parameters. */
export const claim =
  (setup: Setup, mark: boolean, amnesia: boolean, beyondAmnesia: boolean): (() => Command) =>
  () => ({
    type: 'claim',
    who,
    nonce: 'new',
    leaseMs: LEASE,
    descriptor: descriptorOf(setup),
    input: 'input',
    mark,
    ...(amnesia ? { amnesia: { at: MARKED_AT, lossFrom: MARKED_AT, why: 'explored' }, beyondAmnesia } : {}),
  })

export const mark = (relation: number) => (): Command => ({
  type: 'mark',
  who,
  ...attempt(relation),
  leaseMs: LEASE,
  input: 'input',
})
export const withdraw = (relation: number) => (): Command => ({ type: 'withdraw', who, ...attempt(relation) })
export const commit = (relation: number) => (): Command => ({
  type: 'commit',
  who,
  ...attempt(relation),
  outcome: outcomeOf(relation),
})
/** `stands`: how long a question may stand is not over yet. */
const questionMs = (stands: boolean): number => (stands ? LEASE : 0)
export const reject =
  (relation: number, stands = true) =>
  (): Command => ({
    type: 'reject',
    who,
    ...attempt(relation),
    error: { name: 'Refused', message: 'refused' },
    questionMs: questionMs(stands),
  })
export const unsent =
  (relation: number, stands = true) =>
  (): Command => ({ type: 'unsent', who, ...attempt(relation), questionMs: questionMs(stands) })
export const doubt = (relation: number) => (): Command => ({
  type: 'doubt',
  who,
  fence: attempt(relation).fence,
  reason: 'timeout',
})
export const ask =
  (relation: number, stands = true) =>
  (): Command => ({ type: 'ask', who, ...attempt(relation), leaseMs: questionMs(stands) })
export const resume = (relation: number) => (): Command => ({
  type: 'resume',
  round: 'next',
  who,
  ...attempt(relation),
  leaseMs: LEASE,
})
export const accept = (relation: number) => (): Command => ({
  type: 'accept',
  who,
  ...attempt(relation),
  outcome: outcomeOf(relation),
  leaseMs: LEASE,
})
export const verified = (relation: number, happened: boolean) => (): Command => ({
  type: 'verified',
  who,
  ...attempt(relation),
  happened,
})
export const resend = (relation: number, preconditionHolds: boolean) => (): Command => ({
  type: 'resend',
  who,
  ...attempt(relation),
  leaseMs: LEASE,
  checked: true,
  window: { windowMs: WINDOW_MS, marginMs: MARGIN_MS },
  preconditionHolds,
})
export const found = (relation: number) => (): Command => ({
  type: 'found',
  who,
  ...attempt(relation),
  outcome: outcomeOf(relation),
})
export const absent = (relation: number, waited: boolean, ownerDead: boolean) => (): Command => ({
  type: 'absent',
  who,
  ...attempt(relation),
  waitedMs: waited ? REQUIRED_MS : 0,
  requiredMs: REQUIRED_MS,
  ownerDead,
})
export const giveUp = (relation: number) => (): Command => ({
  type: 'give-up',
  who,
  ...attempt(relation),
  reason: 'recovery-failed',
})
export const heartbeat = (relation: number) => (): Command => ({
  type: 'heartbeat',
  who,
  ...attempt(relation),
  leaseMs: LEASE,
})
export const adopt = (relation: number) => (): Command => ({
  type: 'adopt',
  who,
  ...attempt(relation),
  ordinal: 0,
  child: 'child',
})

/** Commands that need no attempt. */
export const recover = (): Command => ({ type: 'recover', who, nonce: 'new', leaseMs: LEASE, backoffMs: 0 })
export const verify = (): Command => ({ type: 'verify', who, nonce: 'new', leaseMs: LEASE })
export const lapse = (): Command => ({ type: 'lapse', who })
export const shutdown = (): Command => ({ type: 'doubt', who, fence: attempt(RELATION.own).fence, reason: 'shutdown' })
export const compensate = (): Command => ({ type: 'compensate', who, nonce: 'new', leaseMs: LEASE })
export const compensated = (): Command => ({ type: 'compensated', who })
export const expire = (): Command => ({ type: 'expire', who })
export const resolve = (verdict: 'committed' | 'released' | 'abandoned', atOnce: boolean) => (): Command => ({
  type: 'resolve',
  who: 'person',
  verdict,
  note: 'looked',
  quarantineMs: atOnce ? 0 : QUARANTINE,
  ...(verdict === 'committed' ? { outcome: FIRST_OUTCOME } : {}),
})
