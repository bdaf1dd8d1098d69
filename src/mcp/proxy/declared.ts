import type { Duration } from '../../contract/index.ts'

/** Where an MCP server takes an idempotency key: an argument of the tool, or the request's `_meta`. */
export type KeyPlace = { readonly in: 'arguments'; readonly path: readonly string[] } | { readonly in: '_meta' }

/** Asking another tool of the same server whether the effect exists. */
export interface DeclaredProbe {
  readonly tool: string
  /** JSON; text such as `$identity.user`, `$input.date` or `$key` stands for what the operation has there. */
  readonly arguments: Readonly<Record<string, unknown>>
  /** Dotted path into the tool's result: something other than null there means that the effect exists. */
  readonly found: string
}

export type DeclaredRecovery =
  | { readonly class: 'manual' }
  | {
      readonly class: 'keyed'
      readonly window: Duration
      readonly key: KeyPlace
      readonly probe?: DeclaredProbe | undefined
      readonly settle?: Duration | undefined
    }
  | { readonly class: 'probe'; readonly probe: DeclaredProbe; readonly settle: Duration }

/** How an error of the server is read: a JSON-RPC code, a code in `structuredContent`, or a piece of the error's text. */
export interface DeclaredError {
  readonly match: string | number
  readonly effect: 'none' | 'done' | 'unknown'
}

/** A tool that changes something, as `onefold.yaml` declares it. */
export interface DeclaredWrite {
  readonly effect: 'write'
  readonly identity: readonly string[] | 'all' | undefined
  readonly recovery: DeclaredRecovery
  readonly version?: number | undefined
  readonly ignore?: readonly string[] | undefined
  readonly scope?: 'tenant' | 'session' | 'run' | undefined
  readonly retention?: Duration | undefined
  readonly retryHorizon?: Duration | undefined
  readonly timeout?: Duration | undefined
  readonly errors?: readonly DeclaredError[] | undefined
  readonly callerKey?: 'ignored' | 'trusted' | 'required' | undefined
  readonly notice?: 'model' | undefined
  readonly occurrenceField?: string | undefined
  readonly amount?: string | undefined
  readonly exclusive?: readonly string[] | undefined
}

export type DeclaredTool = { readonly effect: 'read' } | DeclaredWrite

/** What the proxy is told about the server's tools. The operator says it; annotations of the server never do. */
export interface ProxyContracts {
  /** Name of the server in contracts and in the ledger; the same after every restart. */
  readonly name: string
  readonly tools: ReadonlyMap<string, DeclaredTool>
  readonly unknownTools: {
    /** `guarded`: through the ledger; `blocked`: refused; `open`: unprotected. */
    readonly mode: 'guarded' | 'blocked' | 'open'
    readonly afterDelivery: 'run' | 'replay' | 'hold'
    readonly afterError: 'hold' | 'run'
  }
  /** Deadline of one attempt where a tool says none, in milliseconds. @default 60000 */
  readonly timeoutMs?: number | undefined
}

export const NOTHING_DECLARED: Omit<ProxyContracts, 'name'> = {
  tools: new Map(),
  unknownTools: { mode: 'guarded', afterDelivery: 'run', afterError: 'hold' },
}
