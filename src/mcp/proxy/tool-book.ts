import type { Contract } from '../../contract/index.ts'
import { declaredContract, undeclaredContract, type ToolContract } from './contracts.ts'
import type { ProxyContracts } from './declared.ts'
import type { OwnCalls } from './own-calls.ts'

/** What the proxy does with calls of one tool. */
export type Plan =
  /** Past the ledger: a declared read, or a tool that nobody protects. */
  | { readonly kind: 'pass'; readonly read: boolean }
  | { readonly kind: 'blocked' }
  | ({ readonly kind: 'declared' } & ToolContract)
  | { readonly kind: 'undeclared'; readonly tenantWide: Contract; readonly withinRun: Contract }

export interface ToolBook {
  planOf(tool: string): Plan
  /** Contracts of every declared write. */
  readonly declared: readonly Contract[]
}

/** Names come from clients: the book forgets plans of undeclared tools rather than grow without end. */
const KEPT = 10_000

/**
 * @param apart true where the proxy has many callers, whose operations are kept apart
 * @throws OnefoldError CONTRACT_INVALID for a declaration that contradicts itself
 */
export function createToolBook(contracts: ProxyContracts, own: () => OwnCalls, apart = false): ToolBook {
  const plans = new Map<string, Plan>()
  const declared: Contract[] = []
  for (const [tool, declaration] of contracts.tools) {
    if (declaration.effect === 'read') {
      plans.set(tool, { kind: 'pass', read: true })
      continue
    }
    const made = declaredContract(contracts.name, tool, declaration, contracts.timeoutMs, own, apart)
    declared.push(made.contract)
    plans.set(tool, { kind: 'declared', ...made })
  }
  const unknown = new Map<string, Plan>()

  function planOfUnknown(tool: string): Plan {
    const { mode } = contracts.unknownTools
    if (mode !== 'guarded') return mode === 'open' ? { kind: 'pass', read: false } : { kind: 'blocked' }
    const known = unknown.get(tool)
    if (known !== undefined) return known
    if (unknown.size >= KEPT) unknown.clear()
    const plan: Plan = {
      kind: 'undeclared',
      tenantWide: undeclaredContract(contracts.name, tool, apart ? 'session' : 'tenant', contracts.timeoutMs),
      withinRun: undeclaredContract(contracts.name, tool, apart ? 'session' : 'run', contracts.timeoutMs),
    }
    unknown.set(tool, plan)
    return plan
  }

  return { declared, planOf: (tool) => plans.get(tool) ?? planOfUnknown(tool) }
}
