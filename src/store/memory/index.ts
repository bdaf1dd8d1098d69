/**
 * A store in this process's memory: for tests and simulations. It keeps nothing when the process ends.
 *
 * @example
 * const guard = onefold({ store: memoryStore() })
 * @module
 */
export { memoryStore, type MemoryOptions } from './memory-store.ts'
