import type { Contract } from '../contract/index.ts'
import { keepNewest } from './newest.ts'
import type { OperationRecord } from './record.ts'

/**
 * Which contract settles a doubt that no caller waits for. A framework's tools are often built anew for each request and
 * hold what is their caller's (a token, a session): one caller's operation must not be sent again, or asked after, with
 * another's. A downstream keeps its keys by account: it would be a second effect, in a stranger's account.
 */
export interface Makers {
  /**
   * Notes whose functions a contract has.
   * @param maker what was protected: the same for tools that are built once, another one for each that is built anew
   * @param tenant of the run that it was protected in; undefined outside of one
   * @returns whether it is the second of its name
   */
  note(name: string, maker: unknown, tenant: string | undefined): boolean
  /** An attempt of the operation begins here: while it is open its doubts are settled with this contract. */
  began(key: string, contract: Contract): void
  /** The operation is in doubt after a call with this contract. */
  doubted(key: string, contract: Contract): void
  settled(key: string): void
  /** Undefined where an equal call has to come first. */
  contractFor(record: OperationRecord): Contract | undefined
}

interface Made {
  readonly maker: unknown
  /** The one tenant that it was protected for; undefined for all. */
  tenant: string | undefined
  /** True once another tool of the same name was protected. */
  several: boolean
}

const KEPT = 10_000

export function createMakers(contracts: ReadonlyMap<string, Contract>): Makers {
  const made = new Map<string, Made>()
  const open = new Map<string, Contract>()
  return {
    note: (name, maker, tenant) => {
      const known = made.get(name)
      if (known === undefined) made.set(name, { maker, tenant, several: false })
      else if (known.maker !== maker) {
        const isSecond = !known.several
        known.several = true
        return isSecond
      }
      // What is protected for two tenants holds nothing that is one's.
      else if (known.tenant !== tenant) known.tenant = undefined
      return false
    },
    began: (key, contract) => {
      if (made.has(contract.name) && !open.has(key)) keepNewest(open, key, contract, KEPT)
    },
    doubted: (key, contract) => {
      if (made.has(contract.name)) keepNewest(open, key, contract, KEPT)
    },
    settled: (key) => void open.delete(key),
    contractFor: ({ key, tool, tenant }) => {
      const own = open.get(key)
      if (own !== undefined) return own
      const known = made.get(tool)
      const isAnothers = known !== undefined && (known.several || (known.tenant ?? tenant) !== tenant)
      return isAnothers ? undefined : contracts.get(tool)
    },
  }
}
