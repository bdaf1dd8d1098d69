import type { Contract } from '../contract/index.ts'
import { OnefoldError } from '../error/index.ts'

/*
 * Names in the ledger that are no tool's. What is recorded under them is no effect and in no receipt, so that a user's
 * tool must not be called so.
 */

/** Names of contracts that this package registers for itself. */
export const isOwn = (tool: string): boolean => tool.startsWith('onefold.')

/** Names of claims beside an operation: turns, and notes of near-duplicates. */
export const isAid = (tool: string): boolean => tool === 'exclusive' || tool.startsWith('near:')

/** The contract of a user's tool. @throws OnefoldError CONTRACT_INVALID where it is called like what is ours */
export function notOurs(contract: Contract, ours: (tool: string) => boolean): Contract {
  const { name } = contract
  if (!ours(name)) return contract
  throw new OnefoldError(
    'CONTRACT_INVALID',
    `${name} is a name that the ledger keeps for itself, as are exclusive and whatever begins with near: or onefold. (with the full stop). Give the tool another name. Nothing was registered.`,
  )
}
