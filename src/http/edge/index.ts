/**
 * What every server of ours that stands between clients and a service is made of: the checks of a request, its body,
 * the way to the service, what may be said about a connection.
 * @module
 */
export { BodyRefused, receiveBody, type BodyLimits, type ReceivedBody } from './body.ts'
export type { Target } from './check.ts'
export { createDelivery, isForwarded, type Delivery } from './delivery.ts'
export { answerHeaders, endToEnd, forwardedHeaders, isRedirect, type ForwardOptions } from './headers.ts'
export { isReachable } from './reachable.ts'
export { createSecrets, type Secrets } from './secrets.ts'
export { EDGE_LIMITS, startEdge, type Edge, type EdgeLimits } from './server.ts'
export { createUpstream, type Upstream } from './upstream.ts'
export { writeAnswer } from './write-answer.ts'
