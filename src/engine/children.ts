import { OnefoldError } from '../error/index.ts'
import type { LiveAttempt } from './attempt.ts'
import { classifyFailure, doubtOf, type FailureVerdict } from './classify.ts'
import type { Core } from './core.ts'
import { ticketOf, type Operation } from './operation.ts'
import { OPEN_STATES, stateBefore, type OperationRecord, type State } from './record.ts'
import type { OperationFrame, Part } from './run.ts'

/**
 * Records, before the child is claimed, that it is the nth child of a composite operation. When the parent runs again,
 * its nth child must be the recorded one.
 * @throws OnefoldError DIVERGED
 */
export async function adoptChild(
  core: Core,
  parent: Omit<OperationFrame, 'adopt'>,
  op: Operation,
  ordinal: number,
): Promise<void> {
  const reading = await core.journal.read(parent.key, parent.tenant)
  const adopted = await core.journal.apply(parent.key, parent.tenant, reading, {
    type: 'adopt',
    fence: parent.fence(),
    nonce: parent.nonce(),
    who: core.processes.self,
    ordinal,
    child: op.key,
  })
  if (adopted.applied || adopted.refusal === 'already') return
  if (adopted.refusal === 'diverged') {
    const recorded = (adopted.record as OperationRecord).children[ordinal]
    // The same part, as it was named before a secret or an identity changed.
    if (op.older.some(({ key }) => key === recorded)) return
    throw new OnefoldError(
      'DIVERGED',
      `Part ${ordinal + 1} of ${parent.tool} differs from what was recorded when it ran before: now ${op.contract.name} with another identity. No effect started; make the order and the inputs of its parts depend on its own input alone.`,
      {
        effect: 'none',
        key: parent.key,
        details: { ordinal, recorded, wanted: op.key },
      },
    )
  }
  throw new OnefoldError(
    'CANCELLED',
    `${parent.tool} lost its claim, so its part ${op.contract.name} was not started. No effect started for this part.`,
    { effect: 'none', key: parent.key },
  )
}

/** States in which an effect stands, or may. What was undone stands no more. */
const MAY_STAND: readonly State[] = [...OPEN_STATES, 'committed', 'abandoned']

/**
 * Notes a call that an operation makes, as long as it runs. What a part came to is only read where the operation fails:
 * by then it may have ended, or have been undone.
 * @param undoes the key of what the call undoes, where it is an undo that its contract declares
 * @returns to be called when the call has ended
 */
export function beginPart(
  core: Core,
  parent: OperationFrame,
  { key, tenant, contract, older }: Operation,
  undoes: string | undefined,
): () => void {
  // By ledger: what stands in one of them says nothing about what has the same name in another.
  const parts = parent.parts.get(core.journal) ?? new Map<string, Part>()
  parent.parts.set(core.journal, parts)
  // It may stand under a name that is older here.
  const names = [key, ...older.map((name) => name.key)]
  const part: Part = parts.get(key) ?? {
    tool: contract.name,
    ticket: ticketOf(key),
    running: 0,
    mayStand: async () => {
      const own = async (of: string): Promise<OperationRecord | undefined> => {
        const { record } = await core.journal.read(of, tenant)
        // What another had done, or does, was only replayed to this one.
        return record?.parent?.key === parent.key ? record : undefined
      }
      for (const name of names) {
        const record = await own(name)
        if (record === undefined || !MAY_STAND.includes(stateBefore(record))) continue
        // An undo is judged by what it undoes, where that is a part as well.
        return undoes === undefined || (await own(undoes)) === undefined
      }
      return false
    },
  }
  parts.set(key, part)
  part.running += 1
  return () => {
    part.running -= 1
  }
}

/** How an attempt that threw is read: an error that means "nothing happened" is none while a part of it stands, or may. */
export async function verdictOn({ op, sends, frame }: LiveAttempt, error: unknown): Promise<FailureVerdict> {
  const verdict = classifyFailure(op.contract, error, sends)
  if (verdict.kind === 'done' || verdict.kind === 'doubt') return verdict
  const part = await standingPart(frame.parts)
  return part === undefined ? verdict : doubtOf(error, sends, `, beside its part ${part.tool} (${part.ticket})`)
}

async function standingPart(ledgers: OperationFrame['parts']): Promise<Part | undefined> {
  for (const parts of ledgers.values()) {
    for (const part of parts.values()) {
      // Where its ledger cannot tell, it may stand.
      if (part.running > 0 || (await part.mayStand().catch(() => true))) return part
    }
  }
  return undefined
}
