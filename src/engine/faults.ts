/** Points at which a process may die; the crash tests and the simulator stop the engine there. */
export const FAULT_POINTS = [
  'before-claim',
  'claimed',
  'prepared',
  'marked',
  'answered',
  'before-commit',
  'committed',
  'before-doubt',
  'doubted',
  'recovering',
  'probed',
  'before-resend',
  'recovered',
] as const

export type FaultPoint = (typeof FAULT_POINTS)[number]

/** Called at every fault point; a test may throw, stall or kill here. Absent in production. */
export type Faults = (point: FaultPoint, key: string) => void | Promise<void>
