/**
 * For those who build on Onefold: the conformance suite that a store has to pass.
 *
 * @example
 * storeSuite('mine', { open: async () => ({ store: await openMine(), close: async () => {} }) }, { describe, it, afterAll })
 * @module
 */
export { linearization, type Call, type Model } from './linearizability.ts'
export {
  storeSuite,
  type Means,
  type StoreHarness,
  type StoreUnderTest,
  type SuiteRunner,
} from './store-suite/index.ts'
