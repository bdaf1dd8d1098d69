/** What the thread of a target is started with. */
export interface WorkerTask {
  readonly target: string
  readonly seed: number
  readonly ms: number
  /** The length of the input that runs, the number of runs, then its bytes. */
  readonly shared: SharedArrayBuffer
}

/** Where the input lies in {@link WorkerTask.shared}. */
export const HEADER_BYTES = 8

/** No input is longer. */
export const LARGEST = 65_536
