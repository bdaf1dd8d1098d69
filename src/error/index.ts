export { ERROR_CODES, type EffectKnowledge, type ErrorCode } from './codes.ts'
export { OnefoldError, isOnefoldError, isStoreUnavailable, type OnefoldErrorOptions } from './error.ts'
