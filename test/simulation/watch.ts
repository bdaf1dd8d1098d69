import type { OperationRecord } from '../../src/engine/record.ts'
import type { Effect, Send } from './downstream.ts'
import { demand } from './oracle.ts'
import { placeOf, type Written } from './truth.ts'
import type { World } from './world.ts'

/** What is known about one execution's marker. */
interface Marker {
  readonly at: number
  /** The writer knew, or the store said in the very step, that records had been lost. */
  readonly knewOfLoss: boolean
}

const FINAL = ['committed', 'compensated', 'abandoned', 'expired', 'released', 'rejected', 'superseded']
const MAY_ACT = ['executing', 'in-doubt', 'recovering']
const NOTHING_HAPPENED = ['released', 'rejected']

/** Watches every step of the store and every send and effect, and holds them against the invariants at once. */
export class Ledgerkeeper {
  /** The highest sequence that the writer of the step now had been told when it asked for the step. */
  knows = 0
  readonly #world: World
  readonly #markers = new Map<string, Marker>()
  readonly #fences = new Map<string, number>()
  readonly #intents = new Map<string, string>()
  /** Effects that are wanted, where it is not one. */
  readonly #wanted = new Map<string, number>()

  constructor(world: World) {
    this.#world = world
  }

  /** Another effect of this intent is wanted from now on. */
  wantAnother(intent: string): void {
    this.#wanted.set(intent, this.wanted(intent) + 1)
  }

  wanted(intent: string): number {
    return this.#wanted.get(intent) ?? 1
  }

  /** The intent that an operation's sends named; undefined while it has sent nothing. */
  intentOf(opKey: string): string | undefined {
    return this.#intents.get(opKey)
  }

  /** True when the store has lost a record of this operation, so that A1 does not hold for it. */
  isLost(opKey: string, tenant: string): boolean {
    return this.#world.truth.lost.has(placeOf(opKey, tenant))
  }

  written({ write, before, after, sequence, marked }: Written): void {
    const { scheduler, coverage } = this.#world
    const place = placeOf(write.key, write.tenant)
    const { transition } = write.event
    coverage.hit(`transition:${transition}`)
    if (transition === 'T19') {
      if (after?.state === 'executing') coverage.hit('round:answered')
      else coverage.hit(after?.round === before?.round ? 'round:refused' : 'round:asked')
    }
    scheduler.note(
      transition,
      () =>
        `${write.key.slice(4, 10)} ${before?.state ?? 'absent'} > ${after?.state ?? 'deleted'} fence ${after?.fence ?? 0} by ${write.event.who}`,
    )
    // After a loss a revision may come again, and a write that travelled meanwhile then meets another record.
    const lost = this.#world.truth.lost.has(place)
    demand(
      lost || write.event.from === (before?.state ?? 'absent'),
      'I13',
      () => `the history says from ${write.event.from}, the record was ${before?.state ?? 'absent'}`,
    )
    demand(
      lost || write.event.to === (after?.state ?? 'deleted'),
      'I13',
      () => `the history says to ${write.event.to}, the record is ${after?.state ?? 'deleted'}`,
    )
    if (after === undefined) {
      demand(
        before !== undefined && NOTHING_HAPPENED.includes(before.state),
        'I10',
        () => `a ${before?.state ?? 'absent'} record was deleted`,
      )
      return
    }
    const newest = this.#fences.get(place) ?? 0
    demand(lost || after.fence >= newest, 'I6', () => `fence ${after.fence} after ${newest}`)
    this.#fences.set(place, Math.max(newest, after.fence))
    if (before?.state === 'committed' && after.state === 'committed') {
      demand(lost || after.outcome?.sha256 === before.outcome?.sha256, 'I5', () => 'a committed outcome changed')
    }
    if (after.state === 'executing' && before?.state !== 'executing' && before?.state !== 'awaiting-input') {
      const knew = marked || this.knows >= sequence
      this.#markers.set(`${place}/${after.attempts}`, { at: scheduler.now, knewOfLoss: knew })
      const first = transition !== 'T13'
      demand(
        lost || !first || after.openSends === 1,
        'I8',
        () => `${transition} begins with ${after.openSends} open sends`,
      )
    }
    if (after.state === 'in-doubt' && before?.state !== 'in-doubt') coverage.hit(`reason:${after.reason ?? 'none'}`)
    if (FINAL.includes(after.state) && before?.state !== after.state) this.#ended(place, after)
  }

  /** I2 and I3, in the step that claims it. */
  #ended(place: string, record: OperationRecord): void {
    const { truth, downstream } = this.#world
    const intent = this.#intents.get(record.key)
    if (intent === undefined || truth.lost.has(place) || record.recovery === 'composite') return
    const sends = downstream.sends.filter((send) => send.opKey === record.key && send.tenant === record.tenant)
    const acted = sends.filter((send) => send.effect !== undefined).length
    if (record.state === 'committed') {
      demand(
        acted > 0 || downstream.effectsOf(intent).length > 0,
        'I2',
        () => `${intent} is committed and nothing happened`,
      )
    }
    if (NOTHING_HAPPENED.includes(record.state)) {
      demand(acted === 0, 'I3', () => `${intent} is ${record.state} and its effect exists`)
    }
  }

  /** The store has lost a record of this intent, under whatever key. */
  isLostIntent(intent: string): boolean {
    const { downstream, truth } = this.#world
    return downstream.sends.some((send) => send.intent === intent && truth.lost.has(placeOf(send.opKey, send.tenant)))
  }

  /** A row that is committed with its marker and its outcome. */
  inserts(send: Send): void {
    this.#intents.set(send.opKey, send.intent)
  }

  sent(send: Send): void {
    const place = placeOf(send.opKey, send.tenant)
    this.#intents.set(send.opKey, send.intent)
    const { scheduler, truth } = this.#world
    scheduler.note(
      'send',
      () => `${send.intent} by ${send.process.name} attempt ${send.attempt} key ${send.downstreamKey.slice(0, 8)}`,
    )
    const marker = this.#markers.get(`${place}/${send.attempt}`)
    demand(
      marker !== undefined,
      'I7',
      () => `${send.intent} was sent without a durable marker of attempt ${send.attempt}`,
    )
    if (this.#world.plan.kind === 'exclusive' && truth.lost.size === 0) this.#alone(send)
    const record = truth.find(send.opKey, send.tenant)
    if (record === undefined || truth.lost.has(place)) return
    demand(
      record.major === send.major,
      'I12',
      () => `version ${send.major} sent for a record of version ${record.major}`,
    )
  }

  /** Operations on one account take turns: nothing is sent while another one may still act. */
  #alone(send: Send): void {
    for (const { record } of this.#world.truth.rows.values()) {
      if (record.key === send.opKey || record.tenant !== send.tenant || !MAY_ACT.includes(record.state)) continue
      demand(
        false,
        'exclusive',
        () => `${send.intent} was sent while ${this.#intents.get(record.key) ?? record.key} is ${record.state}`,
      )
    }
  }

  landed(effect: Effect): void {
    const { truth, downstream, coverage } = this.#world
    const { send } = effect
    const place = placeOf(send.opKey, send.tenant)
    demand(
      send.toldNone === undefined,
      'I4',
      () => `${send.intent} lands after its caller was told ${send.toldNone ?? ''} with effect none`,
    )
    const count = downstream.effectsOf(send.intent).length
    if (count > this.wanted(send.intent)) {
      const excused =
        this.#world.mutation.excusesNoLoss !== true &&
        this.isLostIntent(send.intent) &&
        this.#markers.get(`${place}/${send.attempt}`)?.knewOfLoss !== true
      if (excused) coverage.hit('loss that nobody could know of')
      else demand(false, 'I1', () => `${send.intent} happened ${count} times`)
    }
    const record = truth.find(send.opKey, send.tenant)
    if (record === undefined || truth.lost.has(place) || send.treatment === 'accept') return
    const closed = NOTHING_HAPPENED.includes(record.state) && record.attempts >= send.attempt
    demand(!closed, 'I3', () => `${send.intent} lands while its record is ${record.state}`)
  }
}
