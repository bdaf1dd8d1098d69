/** A store that processes can be killed over. Everything that a campaign knows of it. */
export interface CrashStore {
  readonly name: string
  /** The process that is killed: calls `runChild` of `child.ts` with the store. Bundled to one file. */
  readonly program: URL
  /** Other files that the program loads by name from beside it. */
  readonly beside?: Readonly<Record<string, URL>>
  /** Starts what the store needs, once a campaign; undefined where that is not on this machine (said as one line). */
  start(): Promise<RunningStore | undefined>
}

export interface RunningStore {
  /** A fresh, empty ledger for one wave, as the program understands it. The folder is the wave's own. */
  ledger(folder: string): Promise<string>
  close(): Promise<void>
}
