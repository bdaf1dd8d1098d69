import type { ProxyContracts } from './declared.ts'

interface Listed {
  readonly name?: unknown
  readonly annotations?: { readonly readOnlyHint?: unknown }
  readonly inputSchema?: { readonly properties?: Readonly<Record<string, unknown>> }
}

/**
 * Compares what the server lists with what the operator has declared, and tells about declarations that meet nothing:
 * a misspelt tool is guarded like any undeclared one, but not as the operator thinks. Annotations are not looked at:
 * a server's word that a tool only reads is a hint, and no contract.
 */
export function createSeenTools(
  contracts: ProxyContracts,
  warn: (message: string) => void,
): {
  answered(result: string): void
  /** The server says that its tools have changed: what it lists next is compared anew. */
  changed(): void
} {
  const seen = new Map<string, Listed>()
  const told = new Set<string>()

  function tell(message: string): void {
    if (told.has(message)) return
    told.add(message)
    warn(message)
  }

  function compare(): void {
    for (const [name, declared] of contracts.tools) {
      const listed = seen.get(name)
      if (listed === undefined) {
        tell(
          `mcp.tools.${name} meets no tool of the server; it has ${[...seen.keys()].slice(0, 20).join(', ') || 'none'}`,
        )
        continue
      }
      if (declared.effect === 'write' && listed.annotations?.readOnlyHint === true)
        tell(`${name} says of itself that it only reads (readOnlyHint); it is declared as a write, and that holds`)
      const properties = listed.inputSchema?.properties
      if (declared.effect === 'read' || properties === undefined || declared.identity === 'all') continue
      for (const field of declared.identity ?? []) {
        const [first = ''] = field.split('.')
        if (!Object.hasOwn(properties, first)) {
          tell(
            `mcp.tools.${name}: identity names ${first}, which its arguments do not have; they have ${Object.keys(properties).join(', ')}`,
          )
        }
      }
    }
  }

  return {
    changed() {
      seen.clear()
      told.clear()
    },
    answered(result) {
      const { tools, nextCursor } = JSON.parse(result) as { tools?: unknown; nextCursor?: unknown }
      if (!Array.isArray(tools)) return
      for (const tool of tools as Listed[]) if (typeof tool?.name === 'string') seen.set(tool.name, tool)
      if (nextCursor === undefined || nextCursor === null) compare()
    },
  }
}
