import type { PostgresJs, PostgresJsTransaction } from './clients.ts'
import type { Row } from './columns.ts'
import { inTime, NoAnswer, type Driver, type DriverOptions, type DriverTransaction } from './driver.ts'
import { fencedHandle } from './fenced-handle.ts'

class Undone extends Error {}

/** What `postgres(…)` of the package postgres returned. */
export function postgresJsDriver(sql: PostgresJs, { deadlineMs, prepare }: DriverOptions): Driver {
  const run = (text: string, values: readonly unknown[], often = false): Promise<readonly Row[]> =>
    inTime(sql.unsafe(text, [...values] as never[], { prepare: prepare && often }), deadlineMs) as Promise<
      readonly Row[]
    >

  /**
   * The client's `begin` commits when its function resolves. It is held open until `end`; what is to last was committed by
   * a script before, and its own COMMIT or ROLLBACK then finds no transaction, of which the server only warns.
   */
  function begin(text: string): Promise<DriverTransaction> {
    // The client waits for a connection, and for the answer to its own BEGIN and ROLLBACK, without end.
    return inTime(held(text), deadlineMs, (late) => void late.end(false))
  }

  function held(text: string): Promise<DriverTransaction> {
    return new Promise((resolve, reject) => {
      let finish = (): void => {}
      // What is asked of a connection that is gone never ends, and the client's own error at it ends the process
      // (postgres 3.4.9 leaves it unhandled): nothing may touch it any more, neither the tool nor a ROLLBACK.
      let lost = false
      let whenLost = (): void => {}
      const open = sql.begin(async (transaction) => {
        const [, settings = ''] = /^\s*BEGIN[^;]*;([^]*)$/.exec(text) ?? []
        await inTime(transaction.unsafe(settings), deadlineMs)
        await new Promise<void>((_, undo) => {
          finish = () => undo(new Undone('given back'))
          resolve(opened(transaction))
        })
      })
      const closed = open.then(
        () => undefined,
        (error: unknown) => {
          lost = true
          whenLost()
          reject(error as Error)
          for (const fail of failing) fail(error)
        },
      )
      const failing = new Set<(error: unknown) => void>()

      /** `work`, or the loss of the connection, which the client tells to its `begin` alone. */
      const orLost = <T>(work: PromiseLike<T>): Promise<T> => {
        let fail = (_: unknown): void => {}
        const loss = new Promise<never>((_, no) => {
          fail = no
          failing.add(fail)
        })
        return inTime(Promise.race([work, loss]), deadlineMs).finally(() => failing.delete(fail))
      }

      function opened(transaction: PostgresJsTransaction): DriverTransaction {
        const handle = fencedHandle(transaction as object, ['prepare'])
        whenLost = () => handle.end()
        if (lost) handle.end()
        return {
          handle: handle.face,
          async script(script) {
            if (lost) throw new NoAnswer('the connection was lost before the commit')
            const results = await orLost(transaction.unsafe(script))
            return (Array.isArray(results[0]) ? results[0] : results) as readonly Row[]
          },
          async end(broken, question) {
            if (handle.ended()) return []
            handle.end()
            const answer =
              broken || question === undefined
                ? []
                : await orLost(transaction.unsafe(`ROLLBACK; ${question}`)).catch(() => [])
            if (!lost) finish()
            if (!broken) await inTime(closed, deadlineMs).catch(() => undefined)
            return (answer as unknown as readonly (readonly Row[])[]).at(-1) ?? []
          },
        }
      }
    })
  }

  return {
    most: sql.options.max,
    connectMs: sql.options.connect_timeout ? sql.options.connect_timeout * 1_000 : undefined,
    query: run,
    script: async (text) => void (await run(text, [])),
    begin,
    async listen(channel, hear, up) {
      const { unlisten } = await inTime(sql.listen(channel, hear, up), deadlineMs, ({ unlisten: late }) => void late())
      return async () => {
        await inTime(unlisten(), deadlineMs).catch(() => undefined)
      }
    },
  }
}
