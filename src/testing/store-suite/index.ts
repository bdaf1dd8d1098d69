export type { Means, StoreUnderTest } from './case.ts'
export { storeSuite, type StoreHarness, type SuiteRunner } from './store-suite.ts'
