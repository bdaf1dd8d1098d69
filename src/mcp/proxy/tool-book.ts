import type { Contract } from '../../contract/index.ts'
import { declaredContract, undeclaredContract, type ToolContract } from './contracts.ts'
import type { ProxyContracts } from './declared.ts'
import type { Upstream } from './upstream.ts'

/** What the proxy does with calls of one tool. */
export type Plan =
  | { readonly kind: 'pass' }
  | { readonly kind: 'blocked' }
  | ({ readonly kind: 'declared' } & ToolContract)
  | { readonly kind: 'undeclared'; readonly tenantWide: Contract; readonly withinRun: Contract }

export interface ToolBook {
  planOf(tool: string): Plan
  /** Contracts of every declared write. */
  readonly declared: readonly Contract[]
}

/** Names come from clients: the book forgets plans of undeclared tools rather than grow without end. */
const KEPT = 1_000

/** @throws OnefoldError CONTRACT_INVALID for a declaration that contradicts itself */
export function createToolBook(contracts: ProxyContracts, upstream: () => Upstream): ToolBook {
  const plans = new Map<string, Plan>()
  const declared: Contract[] = []
  for (const [tool, declaration] of contracts.tools) {
    if (declaration.effect === 'read') {
      plans.set(tool, { kind: 'pass' })
      continue
    }
    const made = declaredContract(contracts.name, tool, declaration, contracts.timeoutMs, upstream)
    declared.push(made.contract)
    plans.set(tool, { kind: 'declared', ...made })
  }
  const unknown = new Map<string, Plan>()

  function planOfUnknown(tool: string): Plan {
    const { mode } = contracts.unknownTools
    if (mode !== 'guarded') return { kind: mode === 'open' ? 'pass' : 'blocked' }
    const known = unknown.get(tool)
    if (known !== undefined) return known
    if (unknown.size >= KEPT) unknown.clear()
    const plan: Plan = {
      kind: 'undeclared',
      tenantWide: undeclaredContract(contracts.name, tool, 'tenant', contracts.timeoutMs),
      withinRun: undeclaredContract(contracts.name, tool, 'run', contracts.timeoutMs),
    }
    unknown.set(tool, plan)
    return plan
  }

  return { declared, planOf: (tool) => plans.get(tool) ?? planOfUnknown(tool) }
}
