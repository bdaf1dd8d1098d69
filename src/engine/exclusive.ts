import { OnefoldError } from '../error/index.ts'
import { cancelled } from './answers.ts'
import { descriptorBeside, keyBeside } from './beside.ts'
import type { Command } from './commands.ts'
import type { Core } from './core.ts'
import type { Applied } from './journal.ts'
import { ticketOf, type Operation } from './operation.ts'
import { OPEN_STATES, type OperationRecord } from './record.ts'
import type { OperationFrame } from './run.ts'
import type { Reading } from './store.ts'
import { waitForChange } from './wait.ts'

/** Turns of this process, by their keys. */
interface Turns {
  /** The end of each queue: our own callers wait here, and only the first contends in the store. */
  readonly tails: Map<string, Promise<void>>
  /** The key of the operation that has the turn. */
  readonly holders: Map<string, string>
}

const known = new WeakMap<Core, Turns>()

function turnsOf(core: Core): Turns {
  const turns = known.get(core) ?? { tails: new Map(), holders: new Map() }
  known.set(core, turns)
  return turns
}

/** How often a caller in the queue looks whether it still wants its turn. */
const LOOK_MS = 250

/**
 * Waits for this operation's turn among those with equal `exclusive` fields; the result ends the turn. The turn is a
 * claim in the ledger, shared by all processes. It is not taken over from an operation that may still act: a lapsed
 * turn of an operation in doubt waits until that doubt is settled. What an operation calls acts within its turn; those
 * calls only wait for each other.
 * @throws OnefoldError IN_PROGRESS when the turn did not come within the wait budget, CANCELLED when nobody wants it any more
 */
export async function holdTurn(
  core: Core,
  op: Operation,
  fields: readonly string[],
  wanted: () => boolean,
  frame: OperationFrame | undefined,
): Promise<() => Promise<void>> {
  const name = `exclusive:${fields.join(',')}`
  const key = keyBeside(op, name, fields, core.naming.keySecret)
  const { holders } = turnsOf(core)
  const giveUpAt = core.clock.bootMs() + core.settings.waitMs
  const inTime = (): boolean => wanted() && core.clock.bootMs() < giveUpAt && !core.closing
  const above = holderAbove(holders.get(key), frame)
  const leaveQueue = await queue(core, above === undefined ? key : `${key} in ${above}`, inTime)
  try {
    if (above !== undefined) {
      if (!inTime()) throw wanted() ? busy(op, above) : cancelled(op.contract.name, op.key, false)
      return async () => leaveQueue()
    }
    const taken = await takeTurns(core, op, turnKeys(core, op, name, fields, key), inTime, wanted)
    holders.set(key, op.key)
    return async () => {
      try {
        holders.delete(key)
        await endTurns(core, op, taken)
      } finally {
        leaveQueue()
      }
    }
  } catch (error) {
    leaveQueue()
    throw error
  }
}

/** The operation among those that we were called by that has the turn: to wait for it would be to wait for ourselves. */
function holderAbove(holder: string | undefined, frame: OperationFrame | undefined): string | undefined {
  for (let up = frame; up !== undefined; up = up.up) if (up.key === holder && !up.ended) return holder
  return undefined
}

/**
 * Whoever has an older secret takes the turn under that one's key, and an operation in doubt may have kept it there: so it
 * is taken under every secret, in an order that is everybody's, since two that wait for each other's would wait in vain.
 */
const turnKeys = (
  core: Core,
  op: Operation,
  name: string,
  fields: readonly string[],
  own: string,
): readonly string[] => {
  const older = core.naming.previousSecrets.map((secret) => keyBeside(op, name, fields, secret))
  return Array.from(new Set([own, ...older])).toSorted()
}

/** A turn in the ledger, as it was taken. */
interface Taken {
  readonly key: string
  readonly fence: number
}

async function takeTurns(
  core: Core,
  op: Operation,
  keys: readonly string[],
  inTime: () => boolean,
  wanted: () => boolean,
): Promise<readonly Taken[]> {
  const taken: Taken[] = []
  try {
    for (const key of keys) taken.push({ key, fence: await takeTurn(core, op, key, inTime, wanted) })
    return taken
  } catch (error) {
    await endTurns(core, op, taken).catch(() => undefined)
    throw error
  }
}

async function endTurns(core: Core, op: Operation, taken: readonly Taken[]): Promise<void> {
  await Promise.all(taken.map(({ key, fence }) => endTurn(core, op, key, fence)))
}

/** Resolves when those before have left, or when it is too late to wait for them: the turn itself then says no. */
async function queue(core: Core, key: string, inTime: () => boolean): Promise<() => void> {
  const { tails } = turnsOf(core)
  const before = tails.get(key)
  let leave = (): void => {}
  const turn = new Promise<void>((resolve) => (leave = resolve))
  const tail = (before ?? Promise.resolve()).then(() => turn)
  tails.set(key, tail)
  void tail.then(() => {
    if (tails.get(key) === tail) tails.delete(key)
  })
  if (before !== undefined) await waitBehind(core, before, inTime)
  return leave
}

async function waitBehind(core: Core, before: Promise<void>, inTime: () => boolean): Promise<void> {
  let isFirst = false
  while (!isFirst && inTime()) {
    await new Promise<void>((resolve) => {
      const cancel = core.clock.after(LOOK_MS, resolve)
      void before.then(() => {
        isFirst = true
        cancel()
        resolve()
      })
    })
  }
}

async function takeTurn(
  core: Core,
  op: Operation,
  key: string,
  inTime: () => boolean,
  wanted: () => boolean,
): Promise<number> {
  let reading: Reading = await core.journal.read(key, op.tenant)
  for (;;) {
    const tried = await tryTurn(core, op, key, reading)
    // Nothing that takes a turn deletes its record.
    if (tried.applied === true) return (tried.record as OperationRecord).fence
    if (!wanted()) throw cancelled(op.contract.name, op.key, false)
    // A turn's nonce is the key of the operation that holds it.
    if (!inTime()) throw busy(op, tried.record?.nonce)
    reading = await waitForChange(core, key, op.tenant, tried, inTime)
  }
}

async function tryTurn(
  core: Core,
  op: Operation,
  key: string,
  from: Reading,
): Promise<Reading & { readonly applied?: boolean }> {
  const own = {
    who: core.processes.self,
    nonce: op.key,
    // The turn outlasts any attempt of its operation; a crashed holder's turn lapses with it.
    leaseMs: op.contract.timeoutMs + core.settings.leaseMs,
  }
  const apply = (reading: Reading, command: Command): Promise<Applied> =>
    core.journal.apply(key, op.tenant, reading, command)
  const claim = {
    type: 'claim',
    ...own,
    descriptor: descriptorBeside(op, 'exclusive'),
    input: op.key,
    mark: false,
  } as const
  const turn = from.record
  if (turn?.state !== 'claimed') return await apply(from, claim)
  const holder = await core.journal.read(turn.nonce, op.tenant)
  // What follows goes by the turn's name: on another operation's turn only the claim counts, once it has lapsed.
  // One that was kept for this very operation, over a question, goes on.
  if (mayAct(holder)) return await apply(from, { type: 'heartbeat', ...own, fence: turn.fence })
  // Whoever held it for an earlier attempt may be about to end it: under the next fence that is in vain.
  const nonce = hasEndedSince(turn, holder.record) ? turn.nonce : op.key
  return await apply(await apply(from, { type: 'withdraw', ...own, nonce, fence: turn.fence }), claim)
}

/** Whether the operation of a turn may act. One whose claim has lapsed cannot get beyond it, and its turn may lapse. */
const mayAct = ({ record, now }: Reading): boolean =>
  record !== undefined && OPEN_STATES.includes(record.state) && (record.state !== 'claimed' || now < record.leaseUntil)

/**
 * Whether the operation of a turn ended after the turn was taken: in doubt it kept the turn, and was settled. One that
 * ended before has taken it to act once more.
 */
const hasEndedSince = (turn: OperationRecord, holder: OperationRecord | undefined): boolean =>
  holder !== undefined && !OPEN_STATES.includes(holder.state) && holder.updatedAt > turn.updatedAt

/** Ends the turn, unless the operation may still act: then the turn lapses, and the next one looks at the operation. */
async function endTurn(core: Core, op: Operation, key: string, fence: number): Promise<void> {
  const [turn, { record }] = await Promise.all([
    core.journal.read(key, op.tenant),
    core.journal.read(op.key, op.tenant),
  ])
  if (record !== undefined && OPEN_STATES.includes(record.state)) return
  await core.journal.apply(key, op.tenant, turn, { type: 'withdraw', fence, nonce: op.key, who: core.processes.self })
}

const busy = (op: Operation, holder: string | undefined): OnefoldError =>
  new OnefoldError(
    'IN_PROGRESS',
    `${op.contract.name} must wait for another operation on the same ${op.contract.exclusive?.join(', ')}. No effect started; call again later with the same arguments.`,
    {
      effect: 'none',
      retryable: true,
      retryAfterMs: 1000,
      key: op.key,
      ...(holder === undefined ? {} : { ticket: ticketOf(holder) }),
    },
  )
