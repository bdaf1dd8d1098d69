import type { Row } from './columns.ts'

/** One open transaction on a connection of its own. */
export interface DriverTransaction {
  /** What the tool works with. Dead once the transaction has ended. */
  readonly handle: unknown
  /**
   * Runs one text of several statements in one message, so that nothing of this process can lie between them. Resolves
   * with the rows of the first.
   */
  script(text: string): Promise<readonly Row[]>
  /**
   * Ends the transaction and gives the connection back: what is not committed is undone. `broken` when the connection
   * is not to be used again. From the first moment on the handle takes nothing more. Resolves with the rows of `question`,
   * which is asked on that connection right after; with none where it cannot be.
   */
  end(broken: boolean, question?: string): Promise<readonly Row[]>
}

/** The one face of both clients. Errors are the client's own; `failure.ts` reads them. */
export interface Driver {
  /** Connections that the client may open. */
  readonly most: number
  /** How long the client lets a connection take to come about, in milliseconds; undefined for ever. */
  readonly connectMs: number | undefined
  /** On any connection; one that gives no answer in time is not used again. `often`: worth preparing by name. */
  query(text: string, values: readonly unknown[], often?: boolean): Promise<readonly Row[]>
  /** Several statements without values, in one implicit transaction. */
  script(text: string): Promise<void>
  begin(text: string): Promise<DriverTransaction>
  /**
   * Resolves once the server listens; listens again by itself. `up` is told of every beginning. Rejects where the client
   * has too few connections for it.
   */
  listen(channel: string, hear: (payload: string) => void, up: () => void): Promise<() => Promise<void>>
}

export interface DriverOptions {
  /** How long an answer may take. */
  readonly deadlineMs: number
  /** Whether statements may be prepared by name. */
  readonly prepare: boolean
}

/** No answer in time; whether the statement ran is not known. */
export class NoAnswer extends Error {
  readonly code = 'ONEFOLD_NO_ANSWER'
}

/** `work`, or {@link NoAnswer} after the deadline; `late` is then told what comes after all. */
export function inTime<T>(work: PromiseLike<T>, deadlineMs: number, late?: (value: T) => void): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let over = false
    const timer = setTimeout(() => {
      over = true
      reject(new NoAnswer(`no answer within ${deadlineMs} ms`))
    }, deadlineMs)
    work.then(
      (value) => {
        clearTimeout(timer)
        if (over) late?.(value)
        else resolve(value)
      },
      (error: unknown) => {
        clearTimeout(timer)
        reject(error as Error)
      },
    )
  })
}
