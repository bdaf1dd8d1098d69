/**
 * Keeps answers on this machine's disk while the ledger cannot take them.
 * @module
 */
export { fileSpool } from './file-spool.ts'
