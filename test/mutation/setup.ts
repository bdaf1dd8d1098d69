import * as fc from 'fast-check'

// A mutant is killed or it is not: the same examples each time.
fc.configureGlobal({ seed: 20_260_101 })
