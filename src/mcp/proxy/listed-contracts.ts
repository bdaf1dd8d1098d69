import type { ContractDescription } from '../../contract/index.ts'
import { keepNewest } from '../../engine/index.ts'
import { withMeta } from './answers.ts'
import { elementsAt, memberOf, membersAt, skipSpace } from './spans.ts'
import { applyEdits, type Edit } from './splice.ts'
import { createListMemory, type ListedBefore } from './listed-before.ts'
import { stringAt } from './message.ts'
import type { Plan } from './tool-book.ts'

/** Where a tool of `tools/list` says what its contract is, for programs; clients do not show `_meta` to models. */
export const CONTRACT = 'io.onefold/contract'

/** What a tool's contract is, as part of its API description. */
type Listed =
  | ContractDescription
  | { readonly effect: 'read' }
  | { readonly effect: 'write'; readonly protected: false }
  | (ContractDescription & { readonly declared: false })

/** Clients list the same tools again and again: what became of the last results is kept. */
const KEPT = 8

/** {@link withContracts} for a proxy, which is asked for the same lists by all its clients. */
export interface Listing {
  rewrite(result: string): string
  /** The same for the whole answer, which {@link before} then knows. */
  rewriteIn(answer: Buffer, result: string): string
  /** What became of this answer when it came before, under whatever id. */
  before(answer: readonly Buffer[]): ListedBefore | undefined
  /** What comes next is looked at anew. */
  forget(): void
}

/** @param seen told of every result that is not the same as one of the last */
export function createListing(planOf: (tool: string) => Plan, seen: (result: string) => void): Listing {
  const last = new Map<string, string>()
  const memory = createListMemory()

  function rewrite(result: string): string {
    const known = last.get(result)
    if (known !== undefined) return known
    seen(result)
    const rewritten = withContracts(result, planOf)
    keepNewest(last, result, rewritten, KEPT)
    return rewritten
  }

  return {
    rewrite,
    rewriteIn(answer, result) {
      const rewritten = rewrite(result)
      memory.keep(answer, rewritten)
      return rewritten
    },
    before: (answer) => memory.find(answer),
    forget() {
      last.clear()
      memory.forget()
    },
  }
}

/**
 * The result of `tools/list` with each tool's contract in its `_meta`, and every other byte as it was. What the tools
 * say of themselves (annotations) stays, and is no contract.
 */
export function withContracts(result: string, planOf: (tool: string) => Plan): string {
  const members = membersAt(result, skipSpace(result, 0))
  const tools = members === undefined ? undefined : memberOf(members, 'tools')
  const elements = tools === undefined ? undefined : elementsAt(result, tools.start)
  if (elements === undefined) return result
  const edits: Edit[] = []
  for (const span of elements) {
    const tool = result.slice(span.start, span.end)
    const inner = membersAt(tool, 0)
    const named = inner === undefined ? undefined : memberOf(inner, 'name')
    const name = named === undefined ? undefined : stringAt(tool, named)
    if (name !== undefined) edits.push({ ...span, with: withMeta(tool, { [CONTRACT]: listedOf(planOf(name)) }) })
  }
  return applyEdits(result, edits)
}

function listedOf(plan: Plan): Listed {
  switch (plan.kind) {
    case 'declared':
      return plan.contract.describe()
    case 'undeclared':
      return { ...plan.tenantWide.describe(), declared: false }
    case 'pass':
      return plan.read ? { effect: 'read' } : { effect: 'write', protected: false }
    case 'blocked':
      return { effect: 'write', protected: false }
  }
}
