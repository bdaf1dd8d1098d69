/** True while Stryker runs the tests: what is about large inputs says nothing about a mutant, and takes a second each time. */
export const underMutation = process.env['STRYKER_MUTATOR_WORKER'] !== undefined
