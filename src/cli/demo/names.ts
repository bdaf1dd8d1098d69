/** The incidents that `onefold demo` can run; the first is the default. */
export const DEMOS = ['lost-answers'] as const
