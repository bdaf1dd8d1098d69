import { OnefoldError } from '../../error/index.ts'
import type { PgPool, PostgresClient, PostgresJs } from './clients.ts'
import type { Driver, DriverOptions } from './driver.ts'
import { pgDriver } from './pg-driver.ts'
import { postgresJsDriver } from './postgres-js-driver.ts'

/** @throws OnefoldError CONFIG_INVALID for something that is neither client, and for a client that changes what it reads */
export function driverFor(client: PostgresClient, options: DriverOptions): Driver {
  if (isPostgresJs(client)) return postgresJsDriver(plain(client), options)
  if (isPool(client)) return pgDriver(client, options)
  throw new OnefoldError(
    'CONFIG_INVALID',
    'postgresStore needs a client: new Pool(…) of the package pg (a single Client cannot be used, since several connections are needed), or postgres(…) of the package postgres. Nothing was started.',
  )
}

/** A record whose columns have other names, or other values, would be read wrongly. */
function plain(client: PostgresJs): PostgresJs {
  const { transform = {} } = client.options
  const changed = (['column', 'value', 'row'] as const).find((of) => typeof transform[of]?.from === 'function')
  if (changed === undefined) return client
  throw new OnefoldError(
    'CONFIG_INVALID',
    `This client of the package postgres changes what it reads (transform.${changed}), so a ledger's records would be misread: give the ledger a client of its own without transform. Nothing was started.`,
  )
}

const has = (value: unknown, ...names: readonly string[]): boolean =>
  (typeof value === 'object' || typeof value === 'function') &&
  value !== null &&
  names.every((name) => typeof (value as Record<string, unknown>)[name] === 'function')

const isPostgresJs = (client: unknown): client is PostgresJs =>
  typeof client === 'function' && has(client, 'unsafe', 'begin', 'listen')

const isPool = (client: unknown): client is PgPool =>
  has(client, 'connect', 'on') && typeof (client as Partial<PgPool>).idleCount === 'number'
