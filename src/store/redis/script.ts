import { createHash } from 'node:crypto'

/** A Lua script with the name that servers keep it under. */
export interface Script {
  readonly text: string
  readonly sha1: string
}

export const script = (text: string): Script => ({ text, sha1: createHash('sha1').update(text).digest('hex') })

const isUnknown = (error: unknown): boolean => error instanceof Error && error.message.startsWith('NOSCRIPT')

/**
 * Runs a script by its name, and by its text where the server has forgotten it (restart, fail-over, SCRIPT FLUSH).
 * NOSCRIPT comes before anything has run, so sending it again runs it once.
 */
export function runScript<T>(
  send: (args: readonly string[]) => Promise<T>,
  { text, sha1 }: Script,
  keys: readonly string[],
  args: readonly string[],
): Promise<T> {
  const rest = [String(keys.length), ...keys, ...args]
  return send(['EVALSHA', sha1, ...rest]).catch((error: unknown) => {
    if (!isUnknown(error)) throw error
    return send(['EVAL', text, ...rest])
  })
}
