/**
 * A ledger in Postgres, for effects that several machines perform. Works with the packages pg and postgres.
 *
 * @example
 * const guard = onefold({ store: postgresStore({ client: new Pool({ connectionString }) }) })
 * @module
 */
export type { PgClient, PgPool, PostgresClient, PostgresJs, PostgresJsTransaction } from './clients.ts'
export { migratePostgres, type Migrated, type MigrateOptions } from './migrate.ts'
export {
  putIntoOutbox,
  relayOutbox,
  type OutboxMessage,
  type OutboxPut,
  type Relay,
  type RelayOptions,
} from './outbox.ts'
export { postgresStore, type PostgresOptions } from './postgres-store.ts'
