import type { LiveAttempt } from './attempt.ts'
import { alarm, type Core } from './core.ts'

type Manner = 'asks' | 'keyless'

/** By tool: whether an attempt of it that ended had asked for a key. */
const manners = new WeakMap<Core, Map<string, Manner>>()

/**
 * Whether the tool, which declares that the downstream honours our key, has asked for nothing that could carry one: no
 * send of ours, no key, no leave to send, no part of its own. What it sent by other means went without, so a re-send
 * would not be "under the same downstream key" (T13), and a second effect. A tool that asked in another attempt has not
 * come to its send in this one; one that still runs may come to it yet, unless it is known to ask for none.
 */
export function isKeyless(core: Core, attempt: LiveAttempt, ended: boolean): boolean {
  const { contract } = attempt.op
  if (contract.recovery.class !== 'keyed' || contract.callerKey !== 'ignored' || contract.sends === 'checked')
    return false
  const known = manners.get(core) ?? new Map<string, Manner>()
  manners.set(core, known)
  const { name } = contract
  if (attempt.asked || attempt.parts.nextChild > 0) known.set(name, 'asks')
  else if (ended && !known.has(name)) known.set(name, 'keyless')
  return known.get(name) === 'keyless'
}

/** Whether an attempt of this tool has asked for a key in this process: then one that had not, never came to its send. */
export const asksForKeys = (core: Core, tool: string): boolean => manners.get(core)?.get(tool) === 'asks'

const told = new WeakMap<Core, Set<string>>()

/** Says once for a tool what its first lost answer would show: nothing but a person could settle it. */
export function tellKeyless(core: Core, attempt: LiveAttempt): void {
  if (!isKeyless(core, attempt, true)) return
  const names = told.get(core) ?? new Set<string>()
  told.set(core, names)
  const { name } = attempt.op.contract
  if (names.has(name)) return
  names.add(name)
  alarm(
    core,
    attempt.record,
    'it declares keyed() recovery and sent nothing under its key. Send by ctx.fetch (in a framework’s tool onefoldFetch()), or give the client ctx.downstreamKey(), else declare manual() or probe(): after a crash it would be sent again without a key.',
  )
}
