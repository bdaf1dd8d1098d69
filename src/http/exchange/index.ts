/**
 * What the gateway and the middleware share: a request becomes an operation, an outcome becomes an answer.
 * @module
 */
export { compactBody, isHopByHop, isNeverReplayed, kept, namedByConnection, type Answer } from './answer.ts'
export { methodsAsked } from './asked-method.ts'
export { readCallerKey } from './caller-key.ts'
export type { Reach } from './contract.ts'
export {
  HTTP_DEFAULTS,
  type DeclaredProbe,
  type DeclaredRecovery,
  type DeclaredRoute,
  type DeclaredWrite,
  type HttpRules,
  type KeyRule,
  type PrincipalRule,
  type UndeclaredRule,
} from './declared.ts'
export { createDoubts, type Doubts } from './doubts.ts'
export { callerKeyOf, exchange, type Exchange, type Told } from './exchange.ts'
export { isSuccessHere, judge, type DeclaredError } from './judge.ts'
export { hiddenRoute, readPattern, segmentsOf } from './match.ts'
export { plainText } from './plain-text.ts'
export {
  callerHeaders,
  callerOf,
  credentialsOf,
  isolationOf,
  isShared,
  principalNamed,
  type Caller,
} from './principal.ts'
export { problemAnswer, type Problem } from './problem.ts'
export type { ProfileName } from './profile.ts'
export {
  contentOf,
  digestOf,
  formDigestOf,
  isSecret,
  proofOf,
  viewOf,
  withBody,
  type FrozenRequest,
  type RequestBody,
  type RequestFacts,
  type RequestView,
} from './request.ts'
export { downAnswer, echoedKey, errorResponse, toldResponse, wireHeaders } from './respond.ts'
export { createRoutes, errorsOf, type Plan, type Routes, type RoutesOptions, type WritePlan } from './routes.ts'
