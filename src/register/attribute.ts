import { currentOperation, currentRun, type SendPort } from '../engine/index.ts'
import type { Payer } from '../downstream/index.ts'

/** Whose a request is: a tool's that is executing, a run's outside any tool, or nobody's. */
export interface Owner {
  readonly payer: Payer
  /** Present while a tool is executing. */
  readonly port: SendPort | undefined
}

const ofRuns = new WeakMap<object, Payer>()
/** Pays for what belongs to no run: counted, and otherwise left alone. */
export const NOBODY: Payer = { tool: '(none)', tenant: '', run: undefined }

/**
 * The owner of a request that is being made in this asynchronous context. What a tool started and left running when it
 * ended (a pool, an exporter of traces) is nobody's: its requests are neither the tool's nor to be changed.
 */
export function ownerOfContext(): Owner {
  const operation = currentOperation()
  if (operation !== undefined) {
    return operation.ended ? { payer: NOBODY, port: undefined } : { payer: operation.port, port: operation.port }
  }
  const run = currentRun()
  if (run === undefined) return { payer: NOBODY, port: undefined }
  let payer = ofRuns.get(run)
  if (payer === undefined) {
    payer = { tool: '(run)', tenant: run.tenant, run: run.id }
    ofRuns.set(run, payer)
  }
  return { payer, port: undefined }
}
