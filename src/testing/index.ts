/**
 * For test suites of tools and workflows, whatever runs them: the same end state under retries, lost answers and crashes.
 * And for those who build on Onefold: the conformance suite that a store has to pass.
 *
 * @example
 * await verifyTool(refund, { input: (unique) => ({ returnId: unique }), state: ({ returnId }) => books.count(returnId) })
 * @module
 */
export { chaos } from './chaos/chaos.ts'
export type { FaultName, PlannedFault } from './chaos/faults.ts'
export type { ChaosOptions, Life, LifeGuardOptions, RunContext, ToolCall } from './chaos/options.ts'
export { chaosFile } from './chaos/process-host.ts'
export {
  junit,
  junitOf,
  showFailure,
  showReport,
  type ChaosCase,
  type ChaosFailure,
  type ChaosReport,
  type JunitCase,
} from './chaos/report.ts'
export { linearization, type Call, type Model } from './linearizability.ts'
export {
  storeSuite,
  type Means,
  type StoreHarness,
  type StoreUnderTest,
  type SuiteRunner,
} from './store-suite/index.ts'
export { faultyHttp, type FaultyHttp, type FaultyHttpOptions, type PassedRequest } from './proxies/faulty-http.ts'
export { faultyMcp, type FaultyMcp, type FaultyMcpOptions, type PassedCall } from './proxies/faulty-mcp.ts'
export { probeEndpoint, UNIQUE, type ProbeCheck, type ProbeOptions, type ProbeTarget } from './probe-endpoint.ts'
export type { FaultPlan, ProxyFault } from './proxies/plan.ts'
export { verifyTool, type AnyTool, type VerifyCheck, type VerifyOptions } from './verify-tool.ts'
