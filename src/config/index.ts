/**
 * `onefold.yaml`: what the proxy is told about tools, and where the ledger is.
 * @module
 */
export type { Config, McpHttpConfig } from './config.ts'
export { loadConfig } from './load.ts'
export { defaultConfig, parseConfig } from './parse.ts'
export { defaultLedger, stateFolder } from './state-folder.ts'
export {
  openRemote,
  parseStoreUrl,
  planOf,
  storeFrom,
  withoutPassword,
  withoutSecretQuery,
  type StoreChoice,
} from './store-url.ts'
export { upstreamUrl } from './upstream-url.ts'
