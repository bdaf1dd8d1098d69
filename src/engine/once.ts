import { OnefoldError } from '../error/index.ts'

/** Without a key of its own every call would be the same operation; without work it would be done for good. */
export function assertOnce(key: unknown, work: unknown): void {
  if (typeof key !== 'string' || key === '')
    throw new OnefoldError('KEY_INVALID', 'once needs a key: a text that is not empty. No effect started.')
  if (typeof work !== 'function')
    throw new OnefoldError('CONTRACT_INVALID', 'once needs a function that does the work. No effect started.')
}
