import { knownOptions, parseDuration, type Duration, type NamesOf } from './contract/index.ts'
import { createGuard, type Guard, type GuardOptions, type Settings, type Store } from './engine/index.ts'
import { OnefoldError } from './error/index.ts'
import type { Secret } from './key/index.ts'
import { systemClock, systemIds, systemProcesses } from './system/index.ts'
import { defaultStore } from './default-store.ts'
import { downstreamFetch, type DownstreamOptions } from './downstream/index.ts'
import { fileSpool } from './store/spool/index.ts'

/** What `onefold()` takes; everything has a safe default outside production. */
export interface OnefoldOptions {
  /** Where operations are recorded. @default `.onefold/ledger.db` beside the nearest package.json; required with NODE_ENV=production */
  readonly store?: Store
  /** @default 'default' */
  readonly tenant?: string
  /** Makes keys HMACs of inputs, so that nobody can guess them. @default none */
  readonly keySecret?: Secret
  /**
   * Secrets of before a rotation, null for the time before there was one: operations recorded then are still recognised.
   * @default []
   */
  readonly previousSecrets?: readonly (Secret | null)[]
  /** Allows a store that forgets on exit. @default false */
  readonly allowVolatile?: boolean
  /** Folder for answers that the ledger could not take. @default beside the default ledger; none with a store of your own */
  readonly spool?: string
  /** Q of protocol.md: how long a request may still land after its last check. @default '60s' */
  readonly quarantine?: Duration
  /** How long a duplicate waits for the original's answer. @default '30s' */
  readonly wait?: Duration
  /** Time-limited ownership of a running attempt. @default '30s' */
  readonly lease?: Duration
  /** Deadline of every call to the store. @default '2s' */
  readonly storeDeadline?: Duration
  /** How `ctx.fetch` sends: retry budgets, which host is which provider. @default the budgets and hosts of docs/guides/fetch.md */
  readonly downstream?: DownstreamOptions
}

const NAMES: NamesOf<OnefoldOptions> = {
  store: true,
  tenant: true,
  keySecret: true,
  previousSecrets: true,
  allowVolatile: true,
  spool: true,
  quarantine: true,
  wait: true,
  lease: true,
  storeDeadline: true,
  downstream: true,
}

/**
 * A guard on this machine's clocks. Nothing is opened before the first call (or `guard.open()`).
 * @throws OnefoldError STORE_UNSAFE, CONTRACT_INVALID, CONFIG_INVALID for an option that there is not
 */
export function onefold(options: OnefoldOptions = {}): Guard {
  knownOptions('onefold', options, NAMES)
  if (options.store !== undefined) assertStore(options.store)
  // A variable that is not set in one place would there make every earlier call a new one.
  if ('keySecret' in options && options.keySecret === undefined)
    throw new OnefoldError(
      'CONFIG_INVALID',
      'keySecret was given and is undefined, as from a variable that is not set: every call of before would be a new one. Set it, or leave keySecret out where there is none. Nothing was started.',
      { details: { name: 'keySecret' } },
    )
  const chosen = options.store === undefined ? defaultStore() : { store: options.store, spool: options.spool }
  const spool = options.spool ?? chosen.spool
  return createGuard({
    ...pick(options, ['tenant', 'keySecret', 'previousSecrets', 'allowVolatile']),
    store: chosen.store,
    settings: settingsOf(options),
    ...(spool === undefined ? {} : { spool: fileSpool(spool) }),
    clock: systemClock(),
    ids: systemIds(),
    processes: systemProcesses(),
    makeFetch: downstreamFetch(fetch, options.downstream),
  } as GuardOptions)
}

function assertStore(store: Store): void {
  if (typeof store?.open === 'function' && typeof store.write === 'function') return
  const given: unknown = store
  throw new OnefoldError(
    'CONFIG_INVALID',
    `store takes a store and was given ${typeof given === 'string' ? 'a text' : typeof given}. Write store: sqliteStore('effects.db'), with sqliteStore from 'onefold/sqlite', or that of another door. Nothing was started.`,
  )
}

function settingsOf(options: OnefoldOptions): Partial<Settings> {
  const leaseMs = options.lease === undefined ? undefined : parseDuration(options.lease, 'lease')
  return {
    ...(options.quarantine === undefined ? {} : { quarantineMs: parseDuration(options.quarantine, 'quarantine') }),
    ...(options.wait === undefined ? {} : { waitMs: parseDuration(options.wait, 'wait') }),
    ...(leaseMs === undefined ? {} : { leaseMs, heartbeatMs: Math.floor(leaseMs / 3) }),
    ...(options.storeDeadline === undefined
      ? {}
      : { storeDeadlineMs: parseDuration(options.storeDeadline, 'storeDeadline') }),
  }
}

function pick<T extends object, K extends keyof T>(from: T, names: readonly K[]): Partial<T> {
  return Object.fromEntries(
    names.filter((name) => from[name] !== undefined).map((name) => [name, from[name]]),
  ) as unknown as Partial<T>
}
