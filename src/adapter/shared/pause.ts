import { Question, UnsentError, currentOperation } from '../../engine/index.ts'

/** A tool that stopped to ask a person before it had done anything: the same call may be made again, with the answer. */
export class Paused extends UnsentError {
  constructor(cause: unknown) {
    super('paused before anything was sent', { cause })
  }
}

/**
 * Runs a tool that its framework may pause (LangGraph's `interrupt()`, Mastra's `suspend()`): it throws, to be run again
 * from the top with the person's answer. That is neither a result nor a failure. A tool that has asked for nothing to send
 * with (key, checkpoint, fetch) has done nothing; one that has may have acted: under a key that its downstream honours it
 * goes on as the next round of the same attempt (T19), else it is in doubt.
 */
export async function pausable(isPause: (error: unknown) => boolean, work: () => unknown): Promise<unknown> {
  const port = currentOperation()?.port
  try {
    return await work()
  } catch (error) {
    if (port === undefined || !isPause(error)) throw error
    if (!port.used()) throw new Paused(error)
    if (port.recovery?.class === 'keyed') return new Question(error)
    throw error
  }
}
