/**
 * Whether the value of `Onefold-Outcome` says that nobody knows what came of the request. The gateway tells that with 422,
 * which is a refusal of anybody else: read as one, the call would be made again as new work.
 */
export const saysDoubt = (outcome: unknown): boolean => outcome === 'in-doubt'
