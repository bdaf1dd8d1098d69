import type { Store } from '../../src/engine/index.ts'
import type { StoreTransaction, Write, WriteAnswer } from '../../src/engine/store.ts'
import type { Request, Send } from './downstream.ts'
import { OPEN_STATES } from '../../src/engine/record.ts'
import type { Reading } from '../../src/engine/store.ts'
import { never, unavailable, type Process } from './life.ts'
import type { Truth } from './truth.ts'
import { happens } from './world.ts'

/** How one message to the store fares. */
type Fate = 'well' | 'refused' | 'lost' | 'answer-lost' | 'late' | 'twice'

const FATES = {
  well: 'store:well',
  refused: 'store:refused',
  lost: 'store:lost',
  'answer-lost': 'store:answer-lost',
  late: 'store:late',
  twice: 'store:twice',
} as const

/** What the stations of one kind of message are called; made once, since there are very many messages. */
interface Names {
  readonly asked: string
  readonly sent: string
  readonly arrived: string
  readonly replied: string
  readonly failed: string
}

const names = new Map<string, Names>()

function namesOf(label: string): Names {
  const known = names.get(label)
  if (known !== undefined) return known
  const made = {
    asked: `${label}>`,
    sent: `${label}~`,
    arrived: `${label}@store`,
    replied: `${label}<`,
    failed: `${label}!`,
  }
  names.set(label, made)
  return made
}

/** What a transactional tool is given. */
export interface Rows {
  insert(request: Request): void
}

/** What waits for the store by no deadline of the engine's: connections have deadlines of their own. */
const needsAnswer = (label: string): boolean => ['open', 'begin', 'rollback'].includes(label)

export interface StoreLink {
  readonly store: Store
  /** Tells the process that a record may have changed. */
  hint(key: string): void
}

/** A process's way to the store: every verb is a message that may be lost, late, repeated, or its answer lost. */
export function storeLink(process: Process): StoreLink {
  const { world } = process
  const { truth, random, plan, scheduler } = world
  const deadline = plan.settings.storeDeadlineMs ?? 60
  const listeners = new Map<string, Set<() => void>>()
  const { odds } = plan
  // An embedded store loses no messages; its disk may fill up and its process may die.
  const trouble = plan.localReads ? odds.store / 8 : odds.store

  const fateOf = (writes: boolean): Fate => {
    if (!happens(world, trouble)) return 'well'
    return random.pick(
      writes ? ['refused', 'lost', 'answer-lost', 'late', 'twice'] : ['refused', 'lost', 'answer-lost'],
    )
  }

  const latency = (): number => {
    if (world.quiet) return 1
    // Without faults the store keeps its deadline.
    if (plan.calm) return random.between(1, 4)
    return plan.localReads ? random.between(0, 1) : random.latency(deadline)
  }

  /** Runs `step` in the store when the message arrives there; a frozen store answers after its thaw. */
  function arrive(ms: number, label: string, step: () => void): void {
    scheduler.after(ms, label, undefined, () => {
      if (scheduler.now < world.frozenUntil) arrive(world.frozenUntil - scheduler.now, label, step)
      else step()
    })
  }

  function call<T>(label: string, writes: boolean, step: (truth: Truth) => T): Promise<T> {
    const name = namesOf(label)
    if (process.spins(label) || process.hazard(name.asked)) return never()
    const fate = fateOf(writes)
    world.coverage.hit(FATES[fate])
    const asked = scheduler.now
    return new Promise<T>((resolve, reject) => {
      const fail = (ms: number, why: string): void => {
        process.later(ms, name.failed, () =>
          reject(needsAnswer(label) || random.chance(0.5) ? unavailable(why) : new Error(why)),
        )
      }
      const reply = (ms: number, answer: T): void => {
        process.later(ms, name.replied, () => {
          const { sequence } = (answer ?? {}) as { sequence?: number }
          // What comes after the deadline, the engine no longer hears.
          if (sequence !== undefined && scheduler.now - asked < deadline)
            process.acked = Math.max(process.acked, sequence)
          resolve(answer)
        })
      }
      if (fate === 'refused') return fail(latency(), 'refused the connection')
      // Opening has no deadline of the engine's: connecting has one of its own.
      const silent = !needsAnswer(label) && random.chance(0.5)
      if (fate === 'lost') return !silent ? fail(latency() + 10, 'closed the connection') : undefined
      const travels = fate === 'late' ? random.between(deadline, deadline * 6) : latency()
      arrive(travels, name.arrived, () => {
        if (world.storeDown) return fail(latency(), 'is down')
        if (writes && world.diskFull) return fail(latency(), 'has a full disk')
        let answer = step(truth)
        if (fate === 'twice') {
          // The client library sent it again: the second answer is the one that arrives.
          arrive(random.between(0, deadline), name.arrived, () => reply(latency(), (answer = step(truth))))
          return
        }
        if (fate === 'answer-lost') return !silent ? fail(latency(), 'reset the connection') : undefined
        reply(latency(), answer)
      })
      // Dies with the message under way: what the store does with it, it does.
      process.hazard(name.sent)
    })
  }

  function readNow(key: string, tenant: string): Reading {
    const stale = world.mutation.staleRead?.(world, key, tenant)
    return { record: stale === undefined ? truth.find(key, tenant) : stale.record, now: truth.now() }
  }

  const store: Store = {
    name: 'simulated',
    guarantees: {
      durability: 'power-loss',
      transactions: plan.kind === 'transactional',
      shared: true,
      localReads: plan.localReads,
    },
    open: () => call('open', false, () => undefined),
    read: (key, tenant) => {
      if (!plan.localReads) return call('read', false, () => readNow(key, tenant))
      if (process.spins('read') || process.hazard('read')) return never()
      if (world.storeDown || scheduler.now < world.frozenUntil) throw unavailable('is busy')
      return readNow(key, tenant)
    },
    write: (write) => {
      const { acked } = process
      return call(`write:${write.event.transition}`, true, () => {
        world.keeper.knows = acked
        const answer = world.mutation.write?.(world, write) ?? truth.write(write)
        if (answer.applied) notify(write.key)
        return answer
      })
    },
    ...(plan.kind === 'transactional' ? { begin } : {}),
    note: () => call('note', true, () => undefined),
    history: (key, tenant) => call('history', false, () => truth.rows.get(`${tenant}|${key}`)?.history ?? []),
    list: (query) =>
      call('list', false, () =>
        truth.page(query.limit ?? 100, query.after, (record) => {
          if (query.tenant !== undefined && record.tenant !== query.tenant) return false
          if (query.states !== undefined && !query.states.includes(record.state)) return false
          if (query.keyPrefix !== undefined && !record.key.startsWith(query.keyPrefix)) return false
          return query.run === undefined || record.run === query.run
        }),
      ),
    due: (limit, after) => call('due', false, () => truth.due(limit, after)),
    closed: (limit, after) =>
      call('closed', false, () => truth.page(limit, after, ({ state }) => !OPEN_STATES.includes(state))),
    stats: () => call('stats', false, () => ({ states: {}, sizeBytes: undefined })),
    watch: (key, listener) => {
      const set = listeners.get(key) ?? new Set()
      listeners.set(key, set.add(listener))
      return () => set.delete(listener)
    },
    epoch: () => call('epoch', false, () => ({ id: 'simulated', sequence: truth.sequence, amnesia: truth.amnesia })),
    markAmnesia: (mark) => call('mark-amnesia', true, () => truth.mark(mark)),
    putBlob: (owner, sha256, bytes) => call('put-blob', true, () => truth.putBlob(owner, sha256, bytes)),
    getBlob: (owner, sha256) => call('get-blob', false, () => truth.getBlob(owner, sha256)),
    doctor: async () => [],
    close: () => call('close', false, () => undefined),
  }
  return { store, hint }

  async function begin(): Promise<StoreTransaction> {
    await call('begin', false, () => undefined)
    const rows: Send[] = []
    /** The server's end of it: what arrives afterwards finds no transaction. */
    let ended: WriteAnswer | 'undone' | undefined
    const handle: Rows = {
      insert: (request) =>
        void rows.push({ ...request, process, call: undefined, at: scheduler.now, effect: undefined, toldNone: undefined }), // prettier-ignore
    }
    return {
      handle,
      commit: (writes) =>
        call('commit', true, () => {
          ended ??= commitNow(writes, rows)
          if (ended === 'undone') return conflict(writes)
          return ended
        }),
      rollback: async () => {
        await call('rollback', false, () => {
          ended ??= 'undone'
          world.coverage.hit('transaction:rolled back')
        })
      },
    }
  }

  function conflict([first]: readonly Write[]): WriteAnswer {
    const record = first === undefined ? undefined : truth.find(first.key, first.tenant)
    return { applied: false, record, now: truth.now(), sequence: truth.sequence, amnesiaAt: truth.amnesia?.at ?? 0 }
  }

  /** Rows and records in one step, if the first record is what it was. */
  function commitNow(writes: readonly Write[], rows: readonly Send[]): WriteAnswer {
    const [first] = writes
    const revision = first === undefined ? 0 : (truth.find(first.key, first.tenant)?.revision ?? 0)
    const stands = revision === first?.expect
    world.coverage.hit(stands ? 'transaction:committed' : 'transaction:conflict')
    if (!stands && world.mutation.commitsApart !== true) return conflict(writes)
    world.downstream.commitRows(rows)
    if (!stands) return conflict(writes)
    let answer = conflict(writes)
    for (const write of writes) answer = truth.write(write)
    if (first !== undefined) notify(first.key)
    return answer
  }

  /** Hints, also to other processes, and sometimes none at all. */
  function notify(key: string): void {
    for (const engine of world.engines) {
      if (engine.process === process || random.chance(0.5)) engine.hint(key)
    }
  }

  function hint(key: string): void {
    const set = listeners.get(key)
    if (set !== undefined && set.size > 0)
      process.later(random.between(0, 5), 'hint', () => set.forEach((listener) => listener()))
  }
}
