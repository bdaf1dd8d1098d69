import { nearest, type ContractDescription } from '../../contract/index.ts'
import type { Guard, UndeclaredPolicy } from '../../engine/index.ts'
import { invalid, serverTool, undeclaredTool, type Again, type ServerContract, type ServerTool } from './contract.ts'

/** What becomes of tools without a contract, in the words of `onefold.yaml`. */
export interface UnknownTools extends UndeclaredPolicy {
  /** `guarded`: all arguments identify; `blocked`: their registration is refused; `open`: unprotected. @default 'guarded' */
  readonly mode: 'guarded' | 'blocked' | 'open'
}

/** What the server does with calls of one tool. */
export type ServerPlan =
  | { readonly kind: 'pass' }
  /** `meant`: a contract of nearly this name, which no tool has. */
  | { readonly kind: 'blocked'; readonly meant?: string }
  | { readonly kind: 'declared'; readonly tool: ServerTool }
  | { readonly kind: 'undeclared'; readonly tool: ServerTool }

export interface ServerPlans {
  /** @throws OnefoldError CONTRACT_INVALID */
  declare(tool: string, declared: ServerContract): void
  /**
   * A tool that is registered, or says something else of itself than before; `declared`: the contract beside its schema.
   * @throws OnefoldError CONTRACT_INVALID
   */
  registered(tool: string, annotations: Annotations | undefined, declared?: ServerContract): void
  /** A tool that is there no more. What stands of it in the third argument stays. */
  removed(tool: string): void
  /** The contract that a tool has, wherever it stands. */
  declaredFor(tool: string): ServerContract | undefined
  of(tool: string): ServerPlan
  /** What clients are told of a tool. */
  describe(tool: string): (ContractDescription & { readonly declared?: false }) | undefined
}

/** What a tool says of itself. */
export interface Annotations {
  readonly readOnlyHint?: boolean | undefined
}

/** Names come from clients: plans of tools that nobody registered are not kept without end. */
const KEPT = 1_000

export function createPlans(guard: Guard, server: string, unknownTools: UnknownTools, again: Again): ServerPlans {
  const plans = new Map<string, ServerPlan>()
  const reads = new Set<string>()
  const unknown = new Map<string, ServerPlan>()
  const known = new Set<string>()
  const contracts = new Map<string, ServerContract>()
  /** Tools whose plan goes with their registration: what stands beside the schema, or only in the annotations. */
  const ofRegistration = new Set<string>()

  function drop(tool: string): void {
    if (!ofRegistration.delete(tool)) return
    for (const each of [plans, reads, contracts]) each.delete(tool)
  }

  function declare(tool: string, declared: ServerContract): void {
    if (plans.has(tool))
      throw invalid(tool, 'it is declared twice', 'Declare it in protectServer or beside its schema, not in both')
    if (declared === 'read' || (declared as { effect?: unknown }).effect === 'read') {
      reads.add(tool)
      plans.set(tool, { kind: 'pass' })
      return
    }
    if (typeof (declared as unknown) !== 'object')
      throw invalid(
        tool,
        `its contract cannot be ${JSON.stringify(declared)}`,
        "Write 'read', or { identity, recovery }",
      )
    const made = serverTool(server, tool, declared, again)
    guard.internals.register(made.contract)
    plans.set(tool, { kind: 'declared', tool: made })
  }

  function declareBeside(tool: string, declared: ServerContract): void {
    declare(tool, declared)
    contracts.set(tool, declared)
    ofRegistration.add(tool)
  }

  function of(tool: string): ServerPlan {
    const found = plans.get(tool) ?? unknown.get(tool)
    if (found !== undefined) return found
    const meant = known.has(tool)
      ? nearest(
          tool,
          [...plans.keys()].filter((name) => !known.has(name)),
        )
      : undefined
    // Guarded by all its arguments, or not at all, it would act again on a repeat in other words.
    if (meant !== undefined) return { kind: 'blocked', meant }
    if (unknown.size >= KEPT) unknown.clear()
    const { mode } = unknownTools
    const plan: ServerPlan =
      mode === 'guarded'
        ? { kind: 'undeclared', tool: undeclaredTool(server, tool) }
        : { kind: mode === 'open' ? 'pass' : 'blocked' }
    unknown.set(tool, plan)
    return plan
  }

  return {
    declare(tool, declared) {
      declare(tool, declared)
      contracts.set(tool, declared)
    },
    of,
    declaredFor: (tool) => contracts.get(tool),
    removed(tool) {
      drop(tool)
      known.delete(tool)
    },
    registered(tool, annotations, declared) {
      // An annotation holds for as long as it is there: a tool that has become a write is one from now on.
      if (!contracts.has(tool)) drop(tool)
      if (declared !== undefined) declareBeside(tool, declared)
      known.add(tool)
      const plan = plans.get(tool)
      if (plan?.kind === 'declared' && annotations?.readOnlyHint === true)
        throw invalid(tool, 'its contract is a write, and its readOnlyHint is true', 'Correct one of them')
      if (plan !== undefined) return
      // In one's own server the annotation is one's own word; a proxy never takes another's.
      if (annotations?.readOnlyHint === true) {
        ofRegistration.add(tool)
        return declare(tool, 'read')
      }
      if (unknownTools.mode === 'blocked')
        throw invalid(
          tool,
          'it has no contract, and tools without one are blocked',
          "Write _meta: contract({ identity: ['order_id'], recovery: manual() }), or contract('read')",
        )
    },
    describe(tool) {
      if (reads.has(tool)) return { name: `${server}:${tool}`, version: 1, effect: 'read' }
      const plan = of(tool)
      if (plan.kind === 'undeclared') return { ...plan.tool.description, declared: false }
      return plan.kind === 'declared' ? plan.tool.description : undefined
    },
  }
}
