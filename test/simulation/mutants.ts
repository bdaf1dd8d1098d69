import type { Outcome, Processes, Settings, Store } from '../../src/engine/index.ts'
import type { OperationRecord } from '../../src/engine/record.ts'
import type { Write, WriteAnswer } from '../../src/engine/store.ts'
import { MUTANTS as PROTOCOL_MUTANTS, type Mutant as ProtocolMutant } from '../explore/mutants.ts'
import type { Engine } from './engine.ts'
import type { Process } from './life.ts'
import type { Kind, Plan } from './plan.ts'
import type { Call } from './told.ts'
import { toolContextOutside, type Input } from './tools.ts'
import { placeOf, type StoreFaults } from './truth.ts'
import type { World } from './world.ts'

/** A fault that is put between the engine and its world, or into a tool; production is never edited. */
export interface Mutation {
  readonly settings?: Partial<Settings>
  readonly truth?: StoreFaults
  readonly bootMs?: (process: Process) => number
  readonly write?: (world: World, write: Write) => WriteAnswer
  readonly staleRead?: (
    world: World,
    key: string,
    tenant: string,
  ) => { readonly record: OperationRecord | undefined } | undefined
  readonly store?: (store: Store) => Store
  readonly processes?: (processes: Processes) => Processes
  readonly perform?: (perform: () => Promise<Outcome>, call: Call, input: Input, engine: Engine) => Promise<Outcome>
  /** The state machine, changed as the explorer's mutant of the same name changes it. */
  readonly decide?: NonNullable<ProtocolMutant['decide']>
  /** The contract promises a window this many times as long as the downstream's. */
  readonly windowFactor?: number
  /** The downstream of an idempotent tool is sent no precondition, and none is asked. */
  readonly unconditional?: boolean
  /** A second version has another name, and so another key. */
  readonly versionInName?: boolean
  /** The prepare phase already sends. */
  readonly sendsInPrepare?: boolean
  /** A transaction's rows are committed though its records are not. */
  readonly commitsApart?: boolean
  /** A loss that nobody could know of counts as well. */
  readonly excusesNoLoss?: boolean
}

export const NO_MUTATION: Mutation = {}

/** One mutant of the simulation: named as in test/explore/mutants.ts where that has it too. */
export interface Mutant {
  readonly name: string
  readonly kind?: Kind
  /** What the schedules must be like for it to show. */
  readonly plan?: Partial<Plan>
  /** Why nobody could see it here, where another defence or the world hides it: then it need not be caught. */
  readonly hidden?: string
  readonly mutation: Mutation
}

/** Lets a write through, and deletes the record after a while if it is still the same. */
const forgets =
  (ms: number, which: (after: OperationRecord, write: Write) => boolean) =>
  (world: World, write: Write): WriteAnswer => {
    const answer = world.truth.write(write)
    const { record } = answer
    if (!answer.applied || record === undefined || !which(record, write)) return answer
    world.scheduler.after(ms, 'purge', undefined, () => {
      const now = world.truth.find(write.key, write.tenant)
      if (now?.state === record.state) world.truth.rows.delete(placeOf(write.key, write.tenant))
    })
    return answer
  }

/** Two processes, the first of which is often away just when it is about to send. */
const PAUSES: Partial<Plan> = {
  sending: 'checked',
  hosts: [0, 1],
  incidents: [15, 60, 150, 400].map((at) => ({ type: 'pause', at, forMs: 1_500, process: 0 })),
}

const ENVIRONMENT: readonly Mutant[] = [
  {
    name: 'delete on throw',
    kind: 'manual',
    mutation: { write: forgets(0, (record, { event }) => record.state === 'in-doubt' && event.from === 'executing') },
  },
  {
    name: 'fence restarts after deletion',
    kind: 'probe',
    plan: { retires: true },
    mutation: { truth: { fenceRestarts: true } },
  },
  { name: 'no marker before the send', kind: 'manual', mutation: { sendsInPrepare: true } },
  {
    name: 'time-to-live deletes a claim',
    kind: 'manual',
    mutation: { write: forgets(250, ({ state }) => state === 'executing' || state === 'in-doubt') },
  },
  { name: 'fail-over loses a record', kind: 'manual', mutation: { truth: { silentLoss: true }, excusesNoLoss: true } },
  {
    name: 'amnesia mark ignored',
    kind: 'manual',
    mutation: {
      store: (store) => ({
        ...store,
        epoch: () => store.epoch().then((epoch) => ({ ...epoch, sequence: 1e9, amnesia: undefined })),
        write: (write) =>
          store.write(write).then((answer) => ({ ...answer, sequence: 1e9 + answer.now, amnesiaAt: 0 })),
      }),
    },
  },
  { name: 'no quarantine (probe)', kind: 'probe', mutation: { settings: { quarantineMs: 0, sendGraceMs: 0 } } },
  { name: 'no quarantine (person)', kind: 'manual', mutation: { settings: { quarantineMs: 0, sendGraceMs: 0 } } },
  {
    name: 'no deadline guard',
    kind: 'probe',
    plan: PAUSES,
    mutation: { bootMs: (process) => process.host.bootOffset + process.awakeMs() },
  },
  { name: 'no window guard', kind: 'keyed', mutation: { windowFactor: 100 } },
  {
    name: 'reads from a replica',
    mutation: { staleRead: (world, key, tenant) => world.truth.replica(key, tenant, 150) },
  },
  { name: 'compare-and-set without revision', mutation: { truth: { blindWrites: true } } },
  {
    name: 'fail-open for manual',
    kind: 'manual',
    mutation: {
      perform: async (perform, call, input, engine) => {
        try {
          return await perform()
        } catch (error) {
          if ((error as { code?: string }).code !== 'STORE_UNAVAILABLE') throw error
          const key = engine.guard.internals.name(engine.main.contract, input).key
          await engine.main.execute(call)(input, toolContextOutside(key))
          throw error
        }
      },
    },
  },
  { name: 'version in the key', kind: 'versions', mutation: { versionInName: true } },
  { name: 'purge of doubts', kind: 'manual', mutation: { write: forgets(100, ({ state }) => state === 'in-doubt') } },
  {
    name: 'released while the owner lives',
    kind: 'probe',
    plan: { ...PAUSES, sending: 'unchecked' },
    mutation: { processes: (processes) => ({ ...processes, isDead: () => true }) },
  },
  { name: 'a transaction commits over a takeover', kind: 'transactional', mutation: { commitsApart: true } },
  {
    name: 'a question outlives the key',
    kind: 'rounds',
    plan: { sticky: true, windowMs: 1_300 },
    mutation: { windowFactor: 100 },
  },
  { name: 're-apply without precondition', kind: 'idempotent', mutation: { unconditional: true } },
]

const HIDDEN: Readonly<Record<string, string>> = {
  'commit overwrites committed': 'every success of one operation has the same value, as its effect is one',
  'refusal crosses fences': 'a refusal after a re-send meets two open sends, and is a doubt by that',
}

const KINDS: Readonly<Record<string, Kind>> = {
  manual: 'manual',
  keyed: 'keyed',
  probe: 'probe',
  idempotent: 'idempotent',
}

/** Every mutant that this layer can switch on: the environment's, then the state machine's. */
export const MUTANTS: readonly Mutant[] = [
  ...ENVIRONMENT,
  ...PROTOCOL_MUTANTS.filter(
    ({ decide, name }) => decide !== undefined && !ENVIRONMENT.some((known) => known.name === name),
  ).map((mutant): Mutant => {
    const kind = mutant.name.includes('later round') ? 'rounds' : KINDS[mutant.setup.split(',')[0] ?? '']
    return {
      name: mutant.name,
      ...(HIDDEN[mutant.name] === undefined ? {} : { hidden: HIDDEN[mutant.name] ?? '' }),
      ...(kind === undefined ? {} : { kind }),
      mutation: {
        ...(mutant.decide === undefined ? {} : { decide: mutant.decide }),
        ...(mutant.faults?.fenceRestarts === true ? { truth: { fenceRestarts: true } } : {}),
      },
    }
  }),
]
