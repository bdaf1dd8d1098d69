import { OnefoldError } from '../../error/index.ts'

/** Unquoted identifiers of the server, https://www.postgresql.org/docs/current/sql-syntax-lexical.html, in lower case. */
const IDENTIFIER = /^[a-z_][a-z0-9_]{0,47}$/

/** @throws OnefoldError CONFIG_INVALID for a schema that no plain identifier names */
export function quotedSchema(schema: string): string {
  if (IDENTIFIER.test(schema) && !schema.startsWith('pg_')) return `"${schema}"`
  throw new OnefoldError(
    'CONFIG_INVALID',
    `The schema ${JSON.stringify(schema)} cannot be used: write small letters, digits and _, at most 48, not beginning with a digit or pg_. Nothing was started.`,
  )
}

/** A role that already exists may have any name. @throws OnefoldError CONFIG_INVALID for one that no role can have */
export function quotedRole(role: string): string {
  if (role !== '' && !role.includes('\0') && Buffer.byteLength(role) < 64) return `"${role.replaceAll('"', '""')}"`
  throw new OnefoldError('CONFIG_INVALID', `${JSON.stringify(role)} is not the name of a role. Nothing was changed.`)
}

/** Where changes of a ledger are told. */
export const channelOf = (schema: string): string => `onefold_${schema}`
