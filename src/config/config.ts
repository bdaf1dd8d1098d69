import type { Duration } from '../contract/index.ts'
import type { DeclaredRoute, HttpRules, PrincipalRule } from '../http/exchange/index.ts'
import type { StoreChoice } from './store-url.ts'

/** Where an MCP server takes an idempotency key. */
export type KeyPlaceConfig = { readonly in: 'arguments'; readonly path: readonly string[] } | { readonly in: '_meta' }

/** A probe through another tool of the same server. */
export interface ProbeConfig {
  readonly tool: string
  readonly arguments: Readonly<Record<string, unknown>>
  readonly found: string
}

export type RecoveryConfig =
  | { readonly class: 'manual' }
  | {
      readonly class: 'keyed'
      readonly window: Duration
      readonly key: KeyPlaceConfig
      readonly probe: ProbeConfig | undefined
      readonly settle: Duration | undefined
    }
  | { readonly class: 'probe'; readonly probe: ProbeConfig; readonly settle: Duration }

export interface WriteConfig {
  readonly effect: 'write'
  readonly identity: readonly string[] | 'all' | undefined
  readonly recovery: RecoveryConfig
  readonly version: number | undefined
  readonly ignore: readonly string[] | undefined
  readonly scope: 'tenant' | 'session' | 'run' | undefined
  readonly retention: Duration | undefined
  readonly retryHorizon: Duration | undefined
  readonly timeout: Duration | undefined
  readonly errors:
    | readonly { readonly match: string | number; readonly effect: 'none' | 'done' | 'unknown' }[]
    | undefined
  readonly callerKey: 'ignored' | 'trusted' | 'required' | undefined
  readonly notice: 'model' | undefined
  readonly occurrenceField: string | undefined
  readonly amount: string | undefined
  readonly exclusive: readonly string[] | undefined
}

export type ToolConfig = { readonly effect: 'read' } | WriteConfig

/** The `mcp:` section. */
export interface McpConfig {
  /** Name of the server in contracts and ledger; undefined: made from its command line. */
  readonly name: string | undefined
  readonly tools: ReadonlyMap<string, ToolConfig>
  readonly unknownTools: {
    readonly mode: 'guarded' | 'blocked' | 'open'
    readonly afterDelivery: 'run' | 'replay' | 'hold'
    readonly afterError: 'hold' | 'run'
  }
  readonly http: McpHttpConfig
}

/** The `mcp.http:` section: how `onefold mcp --http` serves. */
export interface McpHttpConfig {
  /** Address of the MCP endpoint behind; undefined: a command is. */
  readonly upstream: string | undefined
  readonly principal: PrincipalRule | 'session'
  readonly tenantHeader: string | undefined
  readonly hosts: readonly string[]
  readonly clientTimeout: Duration | undefined
  readonly limits: HttpLimitsConfig
}

/** Limits of the gateway that the file sets: bytes, counts, milliseconds. */
export interface HttpLimitsConfig {
  readonly [limit: string]: number
}

/** The `http:` section. */
export interface HttpConfig {
  /** Name of the service in contracts and ledger; undefined: made from its address. */
  readonly name: string | undefined
  readonly upstream: string | undefined
  readonly rules: HttpRules
  readonly routes: readonly DeclaredRoute[]
  readonly hosts: readonly string[]
  readonly preserveHost: boolean
  readonly clientTimeout: Duration | undefined
  readonly limits: HttpLimitsConfig
}

/** The engine's times; undefined: protocol.md section 9. */
export interface TimingConfig {
  readonly lease: Duration | undefined
  readonly quarantine: Duration | undefined
  readonly wait: Duration | undefined
  /** Deadline of one attempt of a tool that says none. */
  readonly timeout: Duration | undefined
}

/** `onefold.yaml`, checked. */
export interface Config {
  /** Undefined: the defaults, without a file. */
  readonly file: string | undefined
  readonly store: StoreChoice | undefined
  readonly tenant: string | undefined
  readonly keySecret: string | undefined
  /** Secrets of before a rotation; null for the time before there was one. */
  readonly previousSecrets: readonly (string | null)[] | undefined
  readonly timing: TimingConfig
  readonly mcp: McpConfig
  readonly http: HttpConfig
}
