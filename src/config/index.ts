/**
 * `onefold.yaml`: what the proxy is told about tools, and where the ledger is.
 * @module
 */
export type {
  Config,
  KeyPlaceConfig,
  McpConfig,
  ProbeConfig,
  RecoveryConfig,
  TimingConfig,
  ToolConfig,
  WriteConfig,
} from './config.ts'
export { loadConfig } from './load.ts'
export { defaultConfig, parseConfig } from './parse.ts'
export { defaultLedger, stateFolder, type StatePlace } from './state-folder.ts'
export { parseStoreUrl, storeFrom, type ChosenStore, type StoreChoice } from './store-url.ts'
