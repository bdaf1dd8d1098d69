import { OnefoldError } from '../error/index.ts'

/** The error for a contract that cannot be registered: what is wrong, and how to put it right. */
export function contractError(name: unknown, problem: string, fix: string): OnefoldError {
  const contract = typeof name === 'string' && name !== '' ? name.slice(0, 64) : '(no name)'
  return new OnefoldError(
    'CONTRACT_INVALID',
    `Contract ${JSON.stringify(contract)}: ${problem}. ${fix}${fix.endsWith('?') ? '' : '.'} Nothing was registered.`,
    {
      details: { contract, problem, fix },
    },
  )
}
