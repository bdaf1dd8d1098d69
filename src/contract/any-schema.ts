import type { StandardSchemaV1 } from './standard-schema.ts'

/** A Standard Schema that accepts every value as it is: for inputs that are checked elsewhere, and identities that are whole. */
export const anySchema: StandardSchemaV1 = {
  '~standard': { version: 1, vendor: 'onefold', validate: (value: unknown) => ({ value }) },
}
