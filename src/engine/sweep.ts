import type { Contract } from '../contract/index.ts'
import { createUndoWatch } from './begun-undos.ts'
import { inBackground, tellNewDoubt, type Core } from './core.ts'
import { lapse } from './flight.ts'
import { isAid } from './own-names.ts'
import { OPEN_STATES, type OperationRecord } from './record.ts'
import { backoffMs, recoverOnce, recoversByItself } from './recover.ts'
import { drainSpool } from './success.ts'
import type { ListPage } from './store.ts'
import { verifyOnce } from './verify.ts'

const PAGE = 200
const PAGES_PER_SWEEP = 10
const CLOSED_PAGE = 500

export interface Sweeper {
  /** Renews the leases of live attempts, brings lapsed ones to doubt, begins due recoveries. Never overlaps itself. */
  sweep(): Promise<void>
  /** One step of retention: expires and deletes what is past its time. */
  retire(): Promise<void>
}

/** The engine's housekeeping (I9: nothing forgotten). */
export function createSweeper(core: Core): Sweeper {
  const recovering = new Set<string>()
  const lookAtUndo = createUndoWatch(core)
  let closedAfter: string | undefined
  let dueAfter: string | undefined
  let leftAlone = false

  /** What a newer version wrote is that one's; it holds up nothing else. Told once, since it stays there. */
  function tellLeftAlone({ unreadable: [first] = [] }: ListPage): void {
    if (first === undefined || leftAlone) return
    leftAlone = true
    const message = `housekeeping leaves alone what it cannot read: ${first.message}`
    core.emitter.emit('alarm', { key: first.key as string, tenant: '', tool: '', run: undefined, message })
  }

  async function handle(record: OperationRecord, now: number): Promise<void> {
    if (record.state === 'claimed') return await reclaim(record, now)
    if (record.state === 'executing' || record.state === 'awaiting-input' || record.state === 'recovering') {
      await lapse(core, record.key, record.tenant, { record, now })
      return
    }
    if (record.state === 'compensating') return await lookAtUndo(record)
    const contract = core.makers.contractFor(record)
    if (record.state === 'accepted') {
      // Also where the tool is not known: one that is nobody's any more would never be a doubt.
      if (now >= record.leaseUntil) begin(record, () => verifyOnce(core, contract, record, now))
      return
    }
    if (contract?.major !== record.major) return
    const due = now >= record.updatedAt + backoffMs(core, record)
    if (due && recoversByItself(record, contract, core.manners.asks(contract.name)))
      begin(record, () => recover(contract, record, now))
  }

  async function recover(contract: Contract, record: OperationRecord, now: number): Promise<void> {
    const ended = await recoverOnce(core, contract, record, now, true)
    if (ended?.kind === 'committed') core.makers.settled(record.key)
  }

  /** Recoveries may wait out a quarantine: they run beside the sweep, each key once. */
  function begin(record: OperationRecord, work: () => Promise<unknown>): void {
    if (recovering.has(record.key)) return
    recovering.add(record.key)
    const running = work()
      .catch((error: unknown) => {
        throw new Error(`recovery failed: ${error instanceof Error ? error.message : String(error)}`)
      })
      .finally(() => recovering.delete(record.key))
    inBackground(core, record, running)
  }

  /** T4 and T3: a claim whose owner went away had sent nothing. The turn of an operation that may still act stays. */
  async function reclaim(record: OperationRecord, now: number): Promise<void> {
    if (record.tool.startsWith('near:')) return await forgetNote(record, now)
    if (record.tool === 'exclusive') {
      const holder = await core.journal.read(record.nonce, record.tenant)
      if (holder.record !== undefined && OPEN_STATES.includes(holder.record.state)) return
    }
    const nonce = core.ids.nonce()
    const who = core.processes.self
    // A claim that outlived a loss may be an older state of an operation that was executed (I15). Turns and notes act not.
    const amnesia = isAid(record.tool) ? undefined : core.journal.amnesia()
    const claimed = await core.journal.apply(
      record.key,
      record.tenant,
      { record, now },
      {
        type: 'claim',
        who,
        nonce,
        leaseMs: core.settings.leaseMs,
        descriptor: record,
        input: record.input as string,
        mark: false,
        ...(amnesia === undefined ? {} : { amnesia }),
      },
    )
    if (!claimed.applied) return
    tellNewDoubt(core, claimed)
    // A loss may only have shown in the answer to this very claim.
    const lossSeen = !isAid(record.tool) && claimed.amnesiaAt !== (amnesia?.at ?? 0)
    const left = await core.journal.apply(record.key, record.tenant, claimed, {
      type: 'withdraw',
      fence: (claimed.record as OperationRecord).fence,
      nonce,
      who,
      why: 'its owner went away before anything was sent',
      ...(lossSeen ? { forgotten: true } : {}),
    })
    tellNewDoubt(core, left)
  }

  /** Under its own name: as a claim of ours it would hold whoever comes meanwhile. Whoever renews it takes the next fence. */
  async function forgetNote(record: OperationRecord, now: number): Promise<void> {
    if (now < record.leaseUntil) return
    const { key, tenant, fence, nonce } = record
    const why = 'its window is over'
    const who = core.processes.self
    await core.journal.apply(key, tenant, { record, now }, { type: 'withdraw', fence, nonce, who, why })
  }

  async function sweep(): Promise<void> {
    await core.journal.refreshEpoch()
    await drainSpool(core)
    // Many doubts that wait for people must not hide what comes after them: the cursor goes on from sweep to sweep.
    for (let pages = 0; pages < PAGES_PER_SWEEP && !core.closing; pages += 1) {
      const page = await core.journal.withDeadline(core.journal.store.due(PAGE, dueAfter))
      dueAfter = page.next
      tellLeftAlone(page)
      for (const record of page.records) {
        if (core.closing) return
        await handle(record, page.now)
      }
      if (dueAfter === undefined) return
    }
  }

  async function retire(): Promise<void> {
    // Pages of large records are short, and must not make retention fall behind.
    for (let pages = 0, looked = 0; pages < PAGES_PER_SWEEP && looked < CLOSED_PAGE; pages += 1) {
      const page = await core.journal.withDeadline(core.journal.store.closed(CLOSED_PAGE - looked, closedAfter))
      closedAfter = page.next
      tellLeftAlone(page)
      looked += page.records.length
      const { now } = page
      for (const record of page.records) {
        if (core.closing) return
        await core.journal.apply(
          record.key,
          record.tenant,
          { record, now },
          { type: 'expire', who: core.processes.self },
        )
      }
      if (closedAfter === undefined) return
    }
  }

  return { sweep, retire }
}

/** Renews the leases of this process's live attempts. A lost lease stops the next byte, never what was already sent. */
export function beat(core: Core): void {
  const now = core.clock.bootMs()
  for (const attempt of core.live) {
    if (attempt.beating !== undefined || attempt.closed || now - attempt.lastBeatAt < core.settings.heartbeatMs)
      continue
    attempt.lastBeatAt = now
    const { op, record, nonce } = attempt
    attempt.beating = core.journal
      .apply(op.key, op.tenant, attempt, {
        type: 'heartbeat',
        fence: record.fence,
        nonce,
        who: core.processes.self,
        leaseMs: core.settings.leaseMs,
      })
      .then(
        (beaten) => {
          if (beaten.applied && beaten.record !== undefined) {
            attempt.record = beaten.record
            attempt.now = beaten.now
            attempt.leaseOverAt = now + core.settings.leaseMs
          } else attempt.closed = true
        },
        () => {
          // The ledger cannot be reached: the lease runs out by itself, and with it the right to send.
        },
      )
      .finally(() => {
        attempt.beating = undefined
      })
  }
}
