/**
 * Carrying an operation's key to the program that performs the effect.
 * @module
 */
export { downstreamFetch } from './fetch.ts'
