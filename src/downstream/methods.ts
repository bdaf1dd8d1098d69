/** Methods that may change something: `ctx.fetch` and `onefold/register` put a key on their requests. */
export const WRITES: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])

/** Writes that are not idempotent by themselves (RFC 9110 section 9.2.2). */
export const NEEDS_KEY: ReadonlySet<string> = new Set(['POST', 'PATCH'])
