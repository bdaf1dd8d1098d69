import type { LiveAttempt } from './attempt.ts'
import { alarm, type Core } from './core.ts'

/** Which tools of this process ask for a key before they send. */
export interface Manners {
  /**
   * Whether the tool, which declares that the downstream honours our key, has asked for nothing that could carry one: no
   * send of ours, no key, no leave to send, no part of its own. What it sent by other means went without, so a re-send
   * would not be "under the same downstream key" (T13), and a second effect. A tool that asked in another attempt has not
   * come to its send in this one; one that still runs may come to it yet, unless it is known to ask for none.
   */
  isKeyless(attempt: LiveAttempt, ended: boolean): boolean
  /** Whether an attempt of this tool has asked for a key: then one that had not, never came to its send. */
  asks(tool: string): boolean
  /** True the first time for each tool. */
  isNews(tool: string): boolean
}

export function createManners(): Manners {
  /** By tool: whether an attempt of it that ended had asked for a key. */
  const asked = new Map<string, boolean>()
  const told = new Set<string>()
  return {
    isKeyless({ op, asked: asks, frame }, ended) {
      const { name, recovery, callerKey, sends } = op.contract
      if (recovery.class !== 'keyed' || callerKey !== 'ignored' || sends === 'checked') return false
      if (asks || frame.nextChild > 0) asked.set(name, true)
      else if (ended && !asked.has(name)) asked.set(name, false)
      return asked.get(name) === false
    },
    asks: (tool) => asked.get(tool) === true,
    isNews(tool) {
      const known = told.has(tool)
      told.add(tool)
      return !known
    },
  }
}

/** Says once for a tool what its first lost answer would show: nothing but a person could settle it. */
export function tellKeyless(core: Core, attempt: LiveAttempt): void {
  if (!core.manners.isKeyless(attempt, true) || !core.manners.isNews(attempt.op.contract.name)) return
  alarm(
    core,
    attempt.record,
    'it declares keyed() recovery and sent nothing under its key. Send by ctx.fetch (in a framework’s tool onefoldFetch()), or give the client ctx.downstreamKey(), else declare manual() or probe(): after a crash it would be sent again without a key.',
  )
}
