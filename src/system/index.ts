/**
 * The world that the engine is given: clocks, random names, processes.
 * @module
 */
export { systemClock } from './clock.ts'
export { systemIds } from './ids.ts'
export { systemProcesses } from './processes.ts'
