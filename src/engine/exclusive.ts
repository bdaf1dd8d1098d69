import { OnefoldError } from '../error/index.ts'
import { descriptorBeside, keyBeside } from './beside.ts'
import type { Command } from './commands.ts'
import type { Core } from './core.ts'
import { ticketOf, type Operation } from './operation.ts'
import { OPEN_STATES, type OperationRecord } from './record.ts'
import { waitForChange } from './wait.ts'

/** Turns of this process, so that its own callers queue here and only the first contends in the store. */
const queues = new WeakMap<Core, Map<string, Promise<void>>>()

/**
 * Waits for this operation's turn among those with equal `exclusive` fields; the result ends the turn. The turn is a
 * claim in the ledger, shared by all processes. It is not taken over from an operation that may still act: a lapsed
 * turn of an operation in doubt waits until that doubt is settled.
 * @throws OnefoldError IN_PROGRESS when the turn did not come within the wait budget
 */
export async function holdTurn(
  core: Core,
  op: Operation,
  fields: readonly string[],
  wanted: () => boolean,
): Promise<() => Promise<void>> {
  const key = keyBeside(core, op, `exclusive:${fields.join(',')}`, fields)
  const leaveQueue = await queue(core, `${op.tenant}/${key}`)
  try {
    const fence = await takeTurn(core, op, key, wanted)
    return async () => {
      try {
        await endTurn(core, op, key, fence)
      } finally {
        leaveQueue()
      }
    }
  } catch (error) {
    leaveQueue()
    throw error
  }
}

async function queue(core: Core, name: string): Promise<() => void> {
  const mine = queues.get(core) ?? new Map<string, Promise<void>>()
  queues.set(core, mine)
  const before = mine.get(name)
  let leave = (): void => {}
  const turn = new Promise<void>((resolve) => (leave = resolve))
  const tail = (before ?? Promise.resolve()).then(() => turn)
  mine.set(name, tail)
  void tail.then(() => {
    if (mine.get(name) === tail) mine.delete(name)
  })
  await before
  return leave
}

async function takeTurn(core: Core, op: Operation, key: string, wanted: () => boolean): Promise<number> {
  const giveUpAt = core.clock.bootMs() + core.settings.waitMs
  const inTime = (): boolean => wanted() && core.clock.bootMs() < giveUpAt && !core.closing
  let reading = await core.journal.read(key, op.tenant)
  for (;;) {
    const holder = await holderOf(core, op, reading.record)
    if (holder === undefined) {
      const turn = reading.record
      const own = {
        who: core.processes.self,
        nonce: op.key,
        // The turn outlasts any attempt of its operation; a crashed holder's turn lapses with it.
        leaseMs: op.contract.timeoutMs + core.settings.leaseMs,
      }
      // One that was kept for this very operation, over a doubt or a question, goes on.
      const command: Command =
        turn?.state === 'claimed' && turn.nonce === op.key
          ? { type: 'heartbeat', ...own, fence: turn.fence }
          : { type: 'claim', ...own, descriptor: descriptorBeside(op, 'exclusive'), input: op.key, mark: false }
      const taken = await core.journal.apply(key, op.tenant, reading, command)
      if (taken.applied && taken.record !== undefined) return taken.record.fence
      reading = taken
    }
    // A turn's nonce is the key of the operation that holds it.
    if (!inTime()) throw busy(op, holder?.key ?? reading.record?.nonce)
    reading = await waitForChange(core, key, op.tenant, reading, inTime)
  }
}

/** The operation that stands in the way: a live holder, or one whose turn lapsed while its effect is not settled. */
async function holderOf(
  core: Core,
  op: Operation,
  turn: OperationRecord | undefined,
): Promise<OperationRecord | undefined> {
  if (turn === undefined || turn.state !== 'claimed' || turn.nonce === op.key) return undefined
  const { record } = await core.journal.read(turn.nonce, op.tenant)
  return record !== undefined && OPEN_STATES.includes(record.state) && record.state !== 'claimed' ? record : undefined
}

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
