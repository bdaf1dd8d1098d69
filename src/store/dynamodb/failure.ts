import { OnefoldError } from '../../error/index.ts'

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '')

/** The condition of a write did not hold. With the real service the error carries what is there. */
export const isConflict = (error: unknown): error is Error & { readonly Item?: unknown } =>
  nameOf(error) === 'ConditionalCheckFailedException'

/** Errors by which the service says that the request was refused before anything was done. */
const REFUSED = new Set([
  'ResourceNotFoundException',
  'ValidationException',
  'AccessDeniedException',
  'UnrecognizedClientException',
  'InvalidSignatureException',
  'IncompleteSignatureException',
  'ExpiredTokenException',
  'MissingAuthenticationTokenException',
  'CredentialsProviderError',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'ThrottlingException',
  'UnknownOperationException',
])

/** The SDK repeats requests: what refuses a later one says nothing of an earlier one, whose answer may have been lost. */
const isFirst = (error: unknown): boolean =>
  ((error as { readonly $metadata?: { readonly attempts?: number } }).$metadata?.attempts ?? 1) === 1

/** What a caller is told of an error of the client. `doing` is one of the store's steps, such as `write the record`. */
export function failureOf(error: unknown, table: string, doing: string): OnefoldError {
  if (error instanceof OnefoldError) return error
  const name = nameOf(error)
  const detail = error instanceof Error ? `${name}: ${error.message}` : String(error)
  const refused = REFUSED.has(name) && isFirst(error)
  const end = refused ? 'Nothing was written.' : 'Whether this step was written is not known: read it again.'
  const fail = (
    message: string,
    retryable: boolean,
    code: 'STORE_UNAVAILABLE' | 'STORE_UNSAFE' = 'STORE_UNAVAILABLE',
  ) =>
    new OnefoldError(code, `${message} ${end}`, {
      effect: 'none',
      retryable,
      cause: error,
      details: { applied: refused ? 'no' : 'unknown' },
    })
  switch (name) {
    case 'ResourceNotFoundException':
      return fail(
        `There is no DynamoDB table ${table} with the ledger's indexes in this region and account: make it with 'onefold ledger migrate --store dynamodb://${table}' (add --print to see it first), or correct the name or region.`,
        false,
      )
    case 'AccessDeniedException':
      return fail(`DynamoDB does not permit to ${doing} in table ${table} (${detail}): grant that action.`, false)
    case 'UnrecognizedClientException':
    case 'InvalidSignatureException':
    case 'IncompleteSignatureException':
    case 'ExpiredTokenException':
    case 'MissingAuthenticationTokenException':
    case 'CredentialsProviderError':
      return fail(`DynamoDB does not accept the credentials (${detail}): give the client valid ones.`, false)
    case 'ValidationException':
      return fail(`DynamoDB refused to ${doing} in table ${table} (${detail}).`, false)
    case 'ProvisionedThroughputExceededException':
    case 'RequestLimitExceeded':
    case 'ThrottlingException':
      return fail(`DynamoDB is throttling table ${table} (${detail}): raise its capacity, or try later.`, true)
    case 'AbortError':
    case 'TimeoutError':
      return fail(`DynamoDB gave no answer in time to ${doing} in table ${table}.`, true)
    default:
      return fail(`DynamoDB failed to ${doing} in table ${table} (${detail}).`, true)
  }
}
