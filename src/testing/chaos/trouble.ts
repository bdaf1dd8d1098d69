import { OnefoldError } from '../../error/index.ts'

/** What went wrong in the user's own code, and where it was thrown, in one line. */
export function troubleOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const at = error.stack?.split('\n').find((line) => /^\s+at /.test(line))
  return at === undefined ? error.message : `${error.message} (${at.trim()})`
}

/** Runs a part of the user's file. @throws OnefoldError INPUT_INVALID naming the file and the part that threw */
export async function partOf<T>(file: string, part: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw new OnefoldError('INPUT_INVALID', `${file}: ${part} failed: ${troubleOf(error)}. Nothing was proven.`, {
      cause: error,
    })
  }
}
