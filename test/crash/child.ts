import { writeSync } from 'node:fs'
import { downstreamFetch } from '../../src/downstream/index.ts'
import { createGuard, type FaultPoint, type Guard, type Settings, type Store } from '../../src/engine/index.ts'
import { isOnefoldError } from '../../src/error/index.ts'
import { fileSpool } from '../../src/store/spool/index.ts'
import { systemClock, systemIds, systemProcesses } from '../../src/system/index.ts'
import { crashTools, type Tool } from './tools.ts'
import type { Line, Moment, Task, Told, Work } from './task.ts'

/** The default times in proportion, but short; Q still covers the downstream's slowest request under load (A2). */
const SETTINGS = {
  leaseMs: 300,
  heartbeatMs: 100,
  sendGraceMs: 5,
  quarantineMs: 400,
  windowMarginMs: 500,
  sweepMs: 40,
  recoveryBackoffMs: 10,
  maxRecoveryBackoffMs: 200,
  waitMs: 10_000,
  spoolReserveBytes: 4_096,
} satisfies Partial<Settings>
const QUIET_AFTER_MS = 40_000
const MOST_TRIES = 20

/** A ledger of one of the stores, in the process that uses it. */
export interface ChildStore {
  readonly store: Store
  /** Over the times that suit the others. @default none */
  readonly settings?: Partial<Settings>
  /** Keeps everybody from writing until the returned function is called, or this process ends. */
  lock(): Promise<() => void>
  /** What `store.close()` leaves open. */
  close(): Promise<void>
}

const task = JSON.parse(process.argv[2] as string) as Task
const say = (line: Line): void => void writeSync(1, `${JSON.stringify(line)}\n`)
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const passed = new Map<FaultPoint, number>()
const isMoment = (moment: Moment | undefined, point: FaultPoint, times: number): boolean =>
  moment?.point === point && moment.nth === times

async function faults(point: FaultPoint, child: ChildStore): Promise<void> {
  const times = (passed.get(point) ?? 0) + 1
  passed.set(point, times)
  if (isMoment(task.die, point, times)) die(point)
  if (isMoment(task.stall, point, times)) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, task.stall?.ms)
  }
  if (task.lock !== undefined && point === 'answered' && times === 1) await lock(child)
}

function die(point: string): never {
  say({ type: 'dying', point })
  process.kill(process.pid, 'SIGKILL')
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000)
}

let unlock = (): void => {}

/** This ledger takes no write until somebody was told, however often it is tried. */
async function lock(child: ChildStore): Promise<void> {
  const end = await child.lock()
  unlock = () => {
    unlock = () => {}
    end()
  }
}

async function call(guard: Guard, tool: Tool, work: Work, tries = 1): Promise<void> {
  const { ref } = work
  const run = tries === 1 ? task.run : `${task.run}-again-${tries}`
  say({ type: 'call', ref })
  try {
    const outcome = await guard.run({ id: run }, () => tool.perform({ ref }))
    say({ type: 'told', ref, run, told: 'success', answer: JSON.stringify(outcome.value) })
  } catch (error) {
    const told: Told = !isOnefoldError(error) || error.effect === 'done' ? 'broken' : error.effect
    say({ type: 'told', ref, run, told, code: isOnefoldError(error) ? error.code : String(error) })
    // The last process does what callers do: it comes again where it was told that it may.
    if (task.settle === undefined || !isOnefoldError(error) || !error.retryable || tries === MOST_TRIES) return
    await pause(20 * tries)
    await call(guard, tool, work, tries + 1)
  } finally {
    unlock()
  }
}

/** Waits until only doubts of manual tools are open, then says how every operation stands. */
async function settled(
  guard: Guard,
  toolOf: (work: Work) => Tool,
  works: readonly Work[],
  everyMs: number,
): Promise<void> {
  const until = performance.now() + QUIET_AFTER_MS
  for (;;) {
    const open = await guard.ledger.list({ states: OPEN, limit: 1_000 })
    const unsettled = open.records.filter(({ recovery, state }) => recovery !== 'manual' || state !== 'in-doubt')
    if (unsettled.length === 0 || performance.now() > until) break
    await pause(everyMs)
  }
  const states = new Map<string, string>()
  for (let after: string | undefined, first = true; first || after !== undefined; first = false) {
    const page = await guard.ledger.list({ ...(after === undefined ? {} : { after }), limit: 1_000 })
    for (const record of page.records) states.set(record.key, record.state)
    after = page.next
  }
  const doubts = await guard.ledger.list({ states: ['in-doubt'], limit: 10_000 })
  const listed = new Set(doubts.records.map(({ key }) => key))
  for (const work of works) {
    const { key } = guard.internals.name(toolOf(work).contract, { ref: work.ref })
    say({ type: 'final', ref: work.ref, state: states.get(key) ?? 'absent', listed: listed.has(key) })
  }
}

const OPEN = ['claimed', 'executing', 'awaiting-input', 'accepted', 'in-doubt', 'recovering', 'compensating'] as const

/**
 * One process of the crash runs: a guard on the shared ledger, real clocks, short times. It says what it does on
 * standard output, synchronously, so that everything said before a kill is known; and it kills itself where told.
 * @param open opens the store on the ledger that the task names
 */
export async function runChild(open: (ledger: string) => Promise<ChildStore>): Promise<void> {
  const child = await open(task.ledger)
  const settings = { ...SETTINGS, ...child.settings }
  const guard = createGuard({
    store: child.store,
    spool: fileSpool(task.spool),
    clock: systemClock(),
    ids: systemIds(),
    processes: systemProcesses(),
    makeFetch: downstreamFetch(),
    settings,
    faults: (point) => faults(point, child),
  })
  const toolOf = crashTools(guard, task.url)
  const refs = new Map<string, string>()
  for (const work of task.works) refs.set(guard.internals.name(toolOf(work).contract, { ref: work.ref }).key, work.ref)
  guard.on('alarm', ({ message }) => say({ type: 'alarm', message }))
  guard.on('spooled', ({ key }) => {
    const ref = refs.get(key)
    if (ref !== undefined) say({ type: 'spooled', ref })
    if (task.lock?.thenDie === true) die('spooled')
    unlock()
  })

  for (let tries = 0; ; tries += 1) {
    try {
      await guard.open()
      break
    } catch (error) {
      if (tries === 20 || !isOnefoldError(error) || error.code !== 'STORE_UNAVAILABLE') throw error
      await pause(50)
    }
  }
  say({ type: 'go' })
  if (task.concurrent) {
    await Promise.all(task.works.flatMap((work) => [call(guard, toolOf(work), work), call(guard, toolOf(work), work)]))
  } else {
    for (const work of task.works) await call(guard, toolOf(work), work)
  }
  if (task.settle !== undefined) await settled(guard, toolOf, task.settle, settings.sweepMs)
  await guard.close()
  await child.close()
  say({ type: 'done' })
}
