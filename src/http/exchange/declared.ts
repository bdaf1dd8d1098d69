import type { Duration } from '../../contract/index.ts'
import type { DeclaredError } from './judge.ts'

/** Asking the same service by a GET whether an effect exists. */
export interface DeclaredProbe {
  /** Path and query; `{body.ref}`, `{path.id}`, `{query.q}`, `{key}` stand for what the operation has there. */
  readonly get: string
  /**
   * Dotted path into the JSON answer, beginning with `body`: something other than null there means that the effect
   * exists. Undefined: any 2xx does, and 404 means that it does not.
   */
  readonly found: string | undefined
}

export type DeclaredRecovery =
  | { readonly class: 'manual' }
  | {
      readonly class: 'keyed'
      readonly window: Duration
      /** The header that the service takes its key in. @default 'idempotency-key' */
      readonly header: string | undefined
      readonly probe: DeclaredProbe | undefined
      readonly settle: Duration | undefined
    }
  | { readonly class: 'probe'; readonly probe: DeclaredProbe; readonly settle: Duration }

/**
 * What a caller's `Idempotency-Key` means. `required`: it is the identity, and a request without one is refused;
 * `accepted`: it is the identity where it is given, else `identity` is; `derived`: `identity` is, whatever it says.
 */
export type KeyRule = 'required' | 'accepted' | 'derived'

export interface DeclaredWrite {
  readonly effect: 'write'
  readonly key: KeyRule
  /** Dotted paths beginning with `body`, `path`, `query` or `headers`; `'all'`: method, path, query and body. */
  readonly identity: readonly string[] | 'all' | undefined
  readonly recovery: DeclaredRecovery
  readonly ignore?: readonly string[] | undefined
  readonly scope?: 'tenant' | 'session' | 'run' | undefined
  readonly version?: number | undefined
  readonly retention?: Duration | undefined
  readonly retryHorizon?: Duration | undefined
  readonly timeout?: Duration | undefined
  readonly errors?: readonly DeclaredError[] | undefined
  readonly occurrenceField?: string | undefined
  readonly amount?: string | undefined
  readonly exclusive?: readonly string[] | undefined
  /** How a 202 becomes "done": a GET that says so. */
  readonly verify?: DeclaredProbe | undefined
}

/** One route, as a configuration or a program declares it. */
export interface DeclaredRoute {
  /** As `POST /v1/orders/:id`. */
  readonly match: string
  readonly rule: { readonly effect: 'read' } | DeclaredWrite
}

/**
 * Who is told apart from whom: by `Authorization` (else an API key, else all cookies), by one cookie, or by a header that
 * a trusted front sets. Credentials that change between a request and its retry make two principals of one caller.
 */
export type PrincipalRule = 'authorization' | 'none' | { readonly header: string } | { readonly cookie: string }

/** What becomes of writes that no route declares. */
export interface UndeclaredRule {
  /** `guarded`: through the ledger; `blocked`: refused; `open`: passed through unprotected. */
  readonly mode: 'guarded' | 'blocked' | 'open'
  readonly afterDelivery: 'run' | 'replay' | 'hold'
  readonly afterError: 'hold' | 'run'
}

/** What holds for every route. */
export interface HttpRules {
  readonly profile: 'ietf' | 'stripe' | 'acp' | 'ucp'
  /** Demands the quoted form of the IETF draft. */
  readonly strict: boolean
  readonly principal: PrincipalRule
  /** A header by which a trusted front names the tenant; undefined: one tenant. */
  readonly tenantHeader: string | undefined
  /** Headers by which one caller acts for several accounts, beside those that are known. */
  readonly accountHeaders: readonly string[]
  readonly unknownRoutes: UndeclaredRule
  /** How answers are read on every route, after the route's own `errors`. */
  readonly errors: readonly DeclaredError[]
  /** Headers that a replay carries beyond the usual ones. */
  readonly replayHeaders: readonly string[]
  /** Headers that are kept with a request beyond the usual ones, also where they sound like credentials. */
  readonly resendHeaders: readonly string[]
}

export const HTTP_DEFAULTS: HttpRules = {
  profile: 'ietf',
  strict: false,
  principal: 'authorization',
  tenantHeader: undefined,
  accountHeaders: [],
  unknownRoutes: { mode: 'guarded', afterDelivery: 'run', afterError: 'hold' },
  errors: [],
  replayHeaders: [],
  resendHeaders: [],
}
