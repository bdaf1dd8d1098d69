import { knownOptions, type NamesOf } from '../contract/index.ts'
import { isStoreUnavailable } from '../error/index.ts'
import type { LiveAttempt } from './attempt.ts'
import type { Core } from './core.ts'
import { assertStoreKeeps } from './ledger.ts'
import { closed } from './answers.ts'
import { sleep } from './clock.ts'
import { inNoRun } from './run.ts'
import { beat, createSweeper } from './sweep.ts'
import { closeFor, openFor } from './store-users.ts'
import { drainSpool } from './success.ts'
import { at } from './core.ts'

export interface Lifecycle {
  /** Opens the store once; every call waits for it. @throws OnefoldError STORE_UNAVAILABLE, STORE_UNSAFE (also for a tool that it cannot keep) */
  open(): Promise<void>
  /** True once {@link open} has resolved: the fast path need not wait. */
  isOpen(): boolean
  /** One housekeeping round, now. For tests and operators; the engine does it by itself every sweep interval. */
  tick(): Promise<void>
  /** Ends housekeeping, waits for what runs, brings what still runs then to a visible doubt, closes the store. */
  close(options?: CloseOptions): Promise<void>
}

/** How a guard is closed. */
export interface CloseOptions {
  /**
   * How long calls that run may go on, in milliseconds: below what whoever stops the process leaves it (Kubernetes: 30 s).
   * @default 0
   */
  readonly waitMs?: number
}

const NAMES: NamesOf<CloseOptions> = { waitMs: 'number' }

const RETIRE_EVERY = 30
const CLOSE_GRACE_MS = 2_000
const LOOK_MS = 20

export function createLifecycle(core: Core): Lifecycle {
  const sweeper = createSweeper(core)
  let opening: Promise<void> | undefined
  let ending: Promise<void> | undefined
  let opened = false
  let cancelBeat = (): void => {}
  let cancelSweep = (): void => {}
  let rounds = 0

  async function start(): Promise<void> {
    if (core.draining) throw closed()
    await openFor(core, core.journal.store)
    if (core.draining) {
      // Closed while it opened: nobody else would close it again.
      await giveBack()
      throw closed()
    }
    await assertKept()
    await core.journal.refreshEpoch()
    await drainSpool(core)
    await core.spool?.reserve(core.settings.spoolReserveBytes)
    opened = true
    scheduleBeat()
    scheduleSweep()
  }

  /** What is told is why nothing begins, not that the store that is not used could not be closed. */
  const giveBack = (): Promise<void> => closeFor(core, core.journal.store).catch(() => undefined)

  /** What a store can keep may only be known once it is open. `once` is in every guard and is judged when it is called. */
  async function assertKept(): Promise<void> {
    try {
      for (const contract of core.contracts.values()) if (contract.name !== 'once') assertStoreKeeps(core, contract)
    } catch (error) {
      await giveBack()
      throw error
    }
  }

  function open(): Promise<void> {
    opening ??= inNoRun(start).catch((error: unknown) => {
      // The next call tries again: a store that was not there yet may come.
      opening = undefined
      throw error
    })
    return opening
  }

  function scheduleBeat(): void {
    if (core.closing) return
    cancelBeat = core.clock.after(
      Math.max(1, core.settings.heartbeatMs / 4),
      () => {
        beat(core)
        scheduleBeat()
      },
      true,
    )
  }

  function scheduleSweep(): void {
    if (core.draining) return
    cancelSweep = core.clock.after(
      core.settings.sweepMs,
      () => {
        void tick().catch(tell).finally(scheduleSweep)
      },
      true,
    )
  }

  function tell(error: unknown): void {
    if (isStoreUnavailable(error)) return
    const message = `housekeeping failed: ${error instanceof Error ? error.message : String(error)}`
    core.emitter.emit('alarm', { key: '', tenant: '', tool: '', run: undefined, message })
  }

  async function tick(): Promise<void> {
    rounds += 1
    await core.duplicates.flush(core)
    await sweeper.sweep()
    if (rounds % RETIRE_EVERY === 0) await sweeper.retire()
  }

  /** One end, however often it is asked for: whoever exits after its own call must not cut off another's. */
  function close(options?: unknown): Promise<void> {
    // As a listener of a signal it is given that one's name.
    const { waitMs = 0 } =
      typeof options === 'object' && options !== null
        ? knownOptions('guard.close', options as CloseOptions, NAMES)
        : ({} as CloseOptions)
    return (ending ??= end(waitMs))
  }

  async function end(waitMs: number): Promise<void> {
    core.draining = true
    cancelSweep()
    const giveUpAt = core.clock.bootMs() + waitMs
    while (opened && core.live.size + core.claiming.size > 0 && core.clock.bootMs() < giveUpAt)
      await sleep(core.clock, LOOK_MS)
    core.closing = true
    cancelBeat()
    if (!opened) return await closeFor(core, core.journal.store)
    // A claim or marker that is under way starts nothing any more, and that has to be written while the store is open.
    await withGrace([...core.background, ...core.claiming])
    await Promise.allSettled(Array.from(core.live, (attempt) => shutDown(attempt)))
    await core.duplicates.flush(core).catch(() => undefined)
    await core.spool?.close()
    await closeFor(core, core.journal.store)
  }

  /** T8: an attempt that outlives its process would otherwise only be noticed when its lease is over. */
  async function shutDown(attempt: LiveAttempt): Promise<void> {
    attempt.closed = true
    attempt.controller.abort()
    const { op, record } = attempt
    await at(core, 'before-doubt', op.key)
    const who = core.processes.self
    const attempts = { fence: record.fence, nonce: attempt.nonce, who }
    if (record.state === 'recovering')
      await core.journal.apply(op.key, op.tenant, attempt, { type: 'give-up', ...attempts, reason: 'shutdown' })
    else if (record.state === 'claimed')
      await core.journal.apply(op.key, op.tenant, attempt, { type: 'withdraw', ...attempts })
    else
      await core.journal.apply(op.key, op.tenant, attempt, {
        type: 'doubt',
        fence: record.fence,
        who,
        reason: 'shutdown',
      })
  }

  function withGrace(work: readonly Promise<unknown>[]): Promise<void> {
    return new Promise((resolve) => {
      const cancel = core.clock.after(CLOSE_GRACE_MS, resolve)
      void Promise.allSettled(work).then(() => {
        cancel()
        resolve()
      })
    })
  }

  return { open, isOpen: () => opened, tick: () => inNoRun(tick), close }
}
