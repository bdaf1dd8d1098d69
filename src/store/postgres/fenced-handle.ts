import { OnefoldError } from '../../error/index.ts'

/** What a tool may not say to a transaction that the engine began: it would commit an effect without its record. */
const ENDS =
  /^\s*(?:begin|start\s+transaction|commit|end|abort|rollback(?!\s+(?:work\s+|transaction\s+)?to\b)|prepare\s+transaction)\b/i

/**
 * The client's own object as the tool gets it, until {@link FencedHandle.end}: after that every call and every property
 * refuses, since the connection may already serve somebody else and nothing could be undone any more.
 */
export interface FencedHandle {
  readonly face: unknown
  end(): void
  ended(): boolean
}

export function fencedHandle(target: object, withheld: readonly string[]): FencedHandle {
  let over = false

  function demandOpen(): void {
    if (!over) return
    throw new OnefoldError(
      'CANCELLED',
      'The engine’s transaction has ended; nothing more can be done in it. What was done in it before was committed or undone as a whole.',
    )
  }

  function demandInside(values: readonly unknown[]): void {
    const [first] = values
    const text = typeof first === 'string' ? first : textOf(first)
    if (text === undefined || !ENDS.test(text)) return
    throw new OnefoldError(
      'CONTRACT_INVALID',
      `A transactional tool must not say ${JSON.stringify(text.trim().slice(0, 40))}: the engine begins and commits the transaction, so that effect and record are one. Nothing was committed.`,
    )
  }

  const call = (method: (...values: unknown[]) => unknown, self: unknown, values: unknown[]): unknown => {
    demandOpen()
    demandInside(values)
    return Reflect.apply(method, self, values)
  }

  const face: unknown = new Proxy(target, {
    apply: (method, self, values: unknown[]) => call(method as never, self, values),
    get(object, name, receiver) {
      demandOpen()
      if (typeof name === 'string' && withheld.includes(name)) return undefined
      const value: unknown = Reflect.get(object, name, receiver === face ? object : receiver)
      if (typeof value !== 'function') return value
      return (...values: unknown[]): unknown => call(value as never, object, values)
    },
  })
  return {
    face,
    end: () => {
      over = true
    },
    ended: () => over,
  }
}

/** The text of a query object of pg, or of a tagged template of postgres. */
function textOf(value: unknown): string | undefined {
  if (Array.isArray(value) && typeof value[0] === 'string') return value[0]
  const text = (value as { readonly text?: unknown } | null | undefined)?.text
  return typeof text === 'string' ? text : undefined
}
