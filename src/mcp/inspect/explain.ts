import type { DeclaredTool, ProxyContracts } from '../proxy/declared.ts'
import { guessOf } from './guess.ts'
import type { ListedTool } from './list-tools.ts'

/** What the proxy would do with calls of one tool, and why. */
export interface Explained {
  readonly tool: string
  readonly handling: 'protected' | 'guarded' | 'passes' | 'blocked' | 'unprotected'
  readonly why: string
  /** Something to look at before it is relied on. */
  readonly warnings: readonly string[]
}

/** Every tool of the server, and every declaration that meets none. */
export function explainTools(tools: readonly ListedTool[], contracts: ProxyContracts): readonly Explained[] {
  const listed = new Set(tools.map(({ name }) => name))
  const lost = Array.from(contracts.tools.keys())
    .filter((name) => !listed.has(name))
    .map((tool): Explained => ({
      tool,
      handling: 'passes',
      why: 'it is declared, and the server has no such tool',
      warnings: [`mcp.tools.${tool} meets no tool: a misspelt name protects nothing`],
    }))
  return [...tools.map((tool) => explain(tool, contracts)), ...lost]
}

function explain(tool: ListedTool, contracts: ProxyContracts): Explained {
  const declared = contracts.tools.get(tool.name)
  const guess = guessOf(tool)
  if (declared === undefined) {
    const { mode, afterDelivery } = contracts.unknownTools
    const guarded = {
      run: 'an equal call is a retry until its answer has arrived, and new work after that',
      replay: 'an equal call is always a retry',
      hold: 'an equal call after its answer has arrived is held',
    }[afterDelivery]
    if (mode === 'blocked') return { tool: tool.name, handling: 'blocked', why: 'it is not declared', warnings: [] }
    if (mode === 'open')
      return {
        tool: tool.name,
        handling: 'unprotected',
        why: 'it is not declared, and unknownTools.mode is open',
        warnings: guess.effect === 'read' ? [] : [`it may change something (${guess.why}), and nothing guards it`],
      }
    return {
      tool: tool.name,
      handling: 'guarded',
      why: `it is not declared: all its arguments identify; ${guarded}`,
      warnings:
        guess.effect === 'read'
          ? [`it seems to read (${guess.why}): declare it, or a failed read is held like a write`]
          : [],
    }
  }
  if (declared.effect === 'read')
    return {
      tool: tool.name,
      handling: 'passes',
      why: 'it is declared as a read',
      warnings: guess.effect === 'write' ? [`it is declared as a read, and ${guess.why}`] : [],
    }
  return {
    tool: tool.name,
    handling: 'protected',
    why: whyProtected(declared),
    warnings: fieldWarnings(tool, declared),
  }
}

type DeclaredWrite = Exclude<DeclaredTool, { effect: 'read' }>

function whyProtected({ identity, callerKey, recovery, scope = 'tenant' }: DeclaredWrite): string {
  const same =
    callerKey === 'required'
      ? 'the same caller’s key is the same operation'
      : identity === 'all' || identity === undefined
        ? 'the same arguments are the same operation'
        : `the same ${identity.join(', ')} is the same operation`
  const settled = {
    manual: 'a person settles an unknown outcome',
    keyed: 'an unknown outcome is settled by sending again under the same key',
    probe: `an unknown outcome is settled by asking ${recovery.class === 'probe' ? recovery.probe.tool : ''}`,
  }[recovery.class]
  return `${same}${scope === 'tenant' ? '' : ` within the ${scope}`}; ${settled}`
}

function fieldWarnings(tool: ListedTool, { identity, ignore = [] }: DeclaredWrite): readonly string[] {
  const properties = tool.inputSchema?.properties
  if (properties === undefined) return []
  const named = [...(Array.isArray(identity) ? (identity as readonly string[]) : []), ...ignore]
  return named
    .map((field) => field.split('.')[0] ?? field)
    .filter((field) => !Object.hasOwn(properties, field))
    .map(
      (field) => `its contract names ${field}, and its arguments are ${Object.keys(properties).join(', ') || 'none'}`,
    )
}
