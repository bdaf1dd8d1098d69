/**
 * Canonical form, keys and fingerprints: what decides that two calls are the same operation.
 * @module
 */
export { isSdkOwnKey, parseCallerKey } from './caller-key.ts'
export { canonicalize } from './canonicalize.ts'
export { canonicalizeJson } from './canonicalize-json.ts'
export { differingFields } from './differing-fields.ts'
export type { Secret } from './digest.ts'
export { downstreamKey } from './downstream-key.ts'
export { fingerprintText } from './fingerprint.ts'
export { KEY_SHAPES, type KeyForm, type KeyShape, type NoKey } from './key-shapes.ts'
export type { JsonLimits } from './limits.ts'
export { isOperationKey, keyFromBytes, operationKey } from './operation-key.ts'
export { multipartDigest, type MultipartDigest } from './multipart.ts'
export { orderIntentKey, type OrderIntentParts } from './order-intent-key.ts'
export { parseJson } from './parse-json.ts'
